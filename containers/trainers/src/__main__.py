"""Entry point: this folder is zipped and run as `python3 <hash>.zip train`, as SageMaker would."""

import sys

from slipway_trainer.entry import main

sys.exit(main(sys.argv[1:]))
