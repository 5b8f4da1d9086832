"""What runs a network: torch, or a runtime of an extra that is given the network as ONNX."""
