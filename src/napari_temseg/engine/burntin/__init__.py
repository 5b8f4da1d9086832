"""What a microscope or its program burns into a picture: scale bars, letters, data bars."""
