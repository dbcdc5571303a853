# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve the page of episodes: what it shows, and what a person decides there."""

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict

from gr00t_console.view.conversion import Conversion
from gr00t_console.view.opened import Opened
from gr00t_console.view.sources import Stretch
from gr00t_core.errors import DatasetError, Gr00tError, ObservationError
from gr00t_core.instructions import checked_instruction

STATIC = Path(__file__).parents[1] / 'static'
NO_STORE = {'cache-control': 'no-store'}


class SaidStretch(BaseModel):
    """A stretch as the page sends it."""

    model_config = ConfigDict(extra='forbid', strict=True)

    first: int
    end: int
    delete: bool = False
    instruction: str | None = None
    success: bool | None = None
    mark: str = ''


class Said(BaseModel):
    """What the page says of an episode."""

    model_config = ConfigDict(extra='forbid')

    stretches: list[SaidStretch]


class Wanted(BaseModel):
    """Where the page wants a new dataset."""

    model_config = ConfigDict(extra='forbid')

    output: str


class WantedOfBags(BaseModel):
    """Where the page wants the dataset of its bags, and of which of them."""

    model_config = ConfigDict(extra='forbid', strict=True)

    output: str
    only_success: bool = False


def application(
    opened: Opened,
    convert_command: str = '',
    conversion: Conversion | None = None,
    *,
    in_console: bool = False,
) -> FastAPI:
    """Return the page of what is opened.

    Args:
        opened: Dataset or bags.
        convert_command: What converts the bags as they are decided, for people to copy.
        conversion: Converts them from the page; None for a dataset.
        in_console: The page belongs to the console: it leads back, and can look for new bags.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount('/console-static', StaticFiles(directory=STATIC), name='console-static')

    @app.exception_handler(Gr00tError)
    def refused(request: Request, error: Gr00tError) -> Response:
        return JSONResponse({'error': str(error)}, 422, headers=NO_STORE)

    @app.get('/')
    def page() -> Response:
        """Return the page."""
        return FileResponse(STATIC / 'view.html', media_type='text/html', headers=NO_STORE)

    @app.get('/about')
    def about() -> Response:
        """Return what all episodes share."""
        found = opened.about() | {'convert': convert_command, 'console': in_console}
        return JSONResponse(found, headers=NO_STORE)

    @app.get('/episodes')
    def episodes() -> Response:
        """Return the list of episodes."""
        return JSONResponse(opened.listing(), headers=NO_STORE)

    @app.get('/episodes/{number}')
    def episode(number: int) -> Response:
        """Return the curves of an episode."""
        return JSONResponse(opened.episode(number), headers=NO_STORE)

    @app.get('/frame/{number}/{camera}/{row}')
    def frame(number: int, camera: str, row: int) -> Response:
        """Return the frame of a row; it never changes."""
        data = opened.picture(number, camera, row)
        return Response(data, media_type='image/jpeg', headers={'cache-control': 'max-age=600'})

    @app.post('/episodes/{number}')
    def decide(number: int, said: Said) -> Response:
        """Take what a person decided about an episode; return its row of the list."""
        opened.decide(number, [_checked(each) for each in said.stretches])
        return JSONResponse(opened.listing()[number], headers=NO_STORE)

    @app.post('/save')
    def save(wanted: Wanted) -> Response:
        """Write a new dataset."""
        if not wanted.output.strip():
            raise DatasetError('give the folder of the new dataset')
        output = Path(wanted.output.strip()).expanduser().absolute()
        count = opened.save(output)
        return JSONResponse({'output': str(output), 'episodes': count}, headers=NO_STORE)

    if conversion is not None:
        add_conversion(app, conversion)
    return app


def add_conversion(app: FastAPI, conversion: Conversion) -> None:
    """Add what converts bags from the page."""

    @app.get('/conversion')
    def told() -> Response:
        """Return how far the conversion is."""
        return JSONResponse(conversion.told(), headers=NO_STORE)

    @app.post('/conversion')
    def begin(wanted: WantedOfBags) -> Response:
        """Begin to convert, as it is decided now."""
        conversion.begin(wanted.output, only_success=wanted.only_success)
        return JSONResponse(conversion.told(), headers=NO_STORE)

    @app.get('/report')
    def report() -> Response:
        """Return the report of the last conversion."""
        return FileResponse(conversion.report(), media_type='text/html', headers=NO_STORE)


def _checked(said: SaidStretch) -> Stretch:
    try:
        text = None if said.instruction is None else checked_instruction(said.instruction.strip())
    except ObservationError as error:
        raise DatasetError(str(error)) from None
    return Stretch(
        said.first, said.end, said.delete, text or None, said.success, said.mark.strip()
    )
