"""python -m l3host.cli"""

import sys

from l3host.cli import main

sys.exit(main())
