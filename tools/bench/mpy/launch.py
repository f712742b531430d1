"""Import a module from a path: launch.py FOLDER:FOLDER... MODULE ARGUMENTS.

As small as can be, since it is compiled in the heap that is measured.
"""

import sys

sys.path[:] = sys.argv[1].split(":") + [".frozen"]
__import__(sys.argv[2])
