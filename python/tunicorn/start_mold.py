"""Start of the mold process. The arbiter runs this file with the application's interpreter."""

# This file is read by whatever interpreter was found: no syntax newer than Python 2.7 up to the check.
import os
import sys

if sys.version_info < (3, 10):
    sys.stderr.write(
        "Python 3.10 or newer is needed, but %s is Python %s.\n"
        "  Install a newer Python, or name one: tunicorn --python /path/to/python3\n"
        % (sys.executable, sys.version.split()[0])
    )
    sys.exit(78)

# What reaches the whole process group is the arbiter's: also while this one is still starting.
# Not by the module signal, the rest of which takes its time to load.
_signal = __import__("_signal")
for _name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
    _signal.signal(getattr(_signal, _name), _signal.SIG_IGN)


# The application finds the command line there, as with Gunicorn; the command stands beside its interpreter.
sys.argv[0] = os.path.join(os.path.dirname(sys.executable), "tunicorn")


def main():
    # type: () -> int
    # The package is found by its own path; the application's sys.path stays as it would be without us.
    own_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
        del sys.path[0]
    sys.path.insert(0, own_folder)
    from tunicorn.mold import run_mold

    sys.path.remove(own_folder)
    return run_mold()


if __name__ == "__main__":
    sys.exit(main())
