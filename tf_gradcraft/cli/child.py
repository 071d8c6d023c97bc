"""The command as a child of another process: it ends when its parent is gone.

`python -m tf_gradcraft.cli.child train ...` is `tf-gradcraft train ...` with a standard input that the parent holds
open. A parent that is killed can't end its children; but the system closes what it held open, and that is seen here.
"""

from __future__ import annotations

from tf_gradcraft.tuning.processes import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    from tf_gradcraft.cli import app

    app()
