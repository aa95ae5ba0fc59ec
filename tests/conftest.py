"""For every test: the installed package, never the checkout."""

# Why here, first, and although nothing below uses it: the checkout's root has an __init__.py (it is the package's), so
# pytest imports that folder as a package under the folder's own name. In a clone that is called "fumehood" it would
# take the installed package's place in sys.modules, without its compiled ring. Imported first, the installed one stays.
import fumehood  # noqa: F401 - for its place in sys.modules

pytest_plugins = ["pytester"]  # for the plugin's own tests, which run pytest
