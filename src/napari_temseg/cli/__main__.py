"""`python -m napari_temseg.cli`."""

import sys

from napari_temseg.cli.main import main

sys.exit(main())
