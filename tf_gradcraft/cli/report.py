"""`tf-gradcraft report`: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tf_gradcraft.cli.application import help_text
from tf_gradcraft.cli.console import Steps, results
from tf_gradcraft.cli.runs import read_run
from tf_gradcraft.cli.tensorflow import import_quietly
from tf_gradcraft.suggestions import unknown_name

SPLITS = ("valid", "test")
REPORT_FILE = "report.html"
EPILOG = """[bold]Examples[/bold]

tf-gradcraft report runs/gradcraft

tf-gradcraft report runs/gradcraft --split test --by user_active_degree --by duration_ms --out reports/test.html"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(help=help_text(report), epilog=EPILOG)(report)


def report(
    ctx: typer.Context,
    run: Annotated[Path, typer.Argument(help="A folder that `train` wrote.")],
    split: Annotated[str, typer.Option(help="The part that metrics are of: valid or test.")] = "valid",
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEATURE",
            help="A feature to audit by, ids or a number; repeatable. Default: the first with few values, of users and "
            "of items.",
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(help="Resamples of users for confidence intervals; 0 for none.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0,
    bins: Annotated[int, typer.Option(help="Bins of the calibration plots.")] = 10,
    latency: Annotated[
        bool, typer.Option("--latency/--no-latency", help="Whether to export the model and time requests to it.")
    ] = True,
    prepared: Annotated[
        Path | None, typer.Option(help="The prepared folder, if it is no longer where the run was trained on it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page to write. Default: RUN/report.html.")] = None,
) -> None:
    """Write one HTML page about a run: what to look at, data, curves, metrics, calibration, audit, latency.

    The page opens without a network, on a desktop and a phone, light and dark. Metrics have confidence intervals from
    resampled users. The test part is looked at only with --split test.
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    opened = read_run(run)
    path = out or run / REPORT_FILE
    if path.is_dir():
        raise IsADirectoryError(f"--out {path} is a folder; name the file to write, such as {path / REPORT_FILE}")
    with Steps() as step:
        step("loading TensorFlow")
        import_quietly(ctx)
        from tf_gradcraft.cli.evaluation import open_data
        from tf_gradcraft.cli.training import versions
        from tf_gradcraft.models.loading import load_model
        from tf_gradcraft.run_report import ReportOptions, read_run_files, report_page

        options = ReportOptions(
            split=split, by=tuple(by) if by else None, resamples=resamples, seed=seed, bins=bins, latency=latency
        )
        files = read_run_files(run)
        step(f"reading {opened.model_file}")
        model = load_model(opened.model_file)
        data = open_data(model, prepared or Path(opened.config.prepared))
        page = report_page(files, model, data, versions(), options, progress=step)
        step(f"writing {path}")
        page.write(path)
    results.print(f"Report: {path} ({path.stat().st_size / 1e6:.2f} MB)", soft_wrap=True)
