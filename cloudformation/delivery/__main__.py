"""`python -m cloudformation.delivery images|push|deploy|destroy`."""

import sys

from cloudformation.delivery.steps import main

if __name__ == "__main__":
    sys.exit(main())
