# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve what the page fetches itself: pictures, curves, a person's jogging, and the e-stop.

These are requests of their own: they work, or fail, whatever the page's other connection does. So
a take-over ends when the browser is gone, and not when the server notices.
"""

from pathlib import Path
import time
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from gr00t_console.pictures import jpeg_of, NUMBERS
from gr00t_console.robot_side import RobotSide
from gr00t_core.errors import ObservationError

STATIC = Path(__file__).with_name('static')
NO_STORE = {'cache-control': 'no-store'}


class Person(BaseModel):
    """What the page says that took over: which buttons are held.

    Attributes:
        page: Which page.
        held: Column → direction.
        led: Arm, axis and direction of the buttons that lead tips.
    """

    page: str
    held: dict[int, float]
    led: list[tuple[int, int, float]] = []


def add_routes(app: FastAPI, side: RobotSide) -> None:
    """Add the routes of a robot to an application."""
    app.mount('/console-static', StaticFiles(directory=STATIC), name='console-static')

    @app.get('/frame/{camera}')
    def frame(camera: str, after: int = 0, model: bool = False) -> Response:
        """Return a camera's newest picture; 204 where there is no newer one."""
        found = side.view.frame(camera)
        if found is None or found.number == after:
            return Response(status_code=204, headers=NO_STORE)
        try:
            data = jpeg_of(found.message, for_model=model)
        except ObservationError as error:
            return JSONResponse({'error': str(error)}, 415, headers=NO_STORE)
        age_ms = (time.monotonic() - found.came_at) * 1e3
        headers = NO_STORE | {'x-number': str(found.number), 'x-age-ms': f'{age_ms:.0f}'}
        return Response(data, media_type='image/jpeg', headers=headers)

    @app.get('/curves')
    def curves(since_ms: float = 0.0) -> Response:
        """Return the joints' samples since a time (ms)."""
        found = side.view.curves(round(since_ms * 1e6)) | {'person': side.takeover.page}
        return JSONResponse(found, headers=NO_STORE)

    @app.get('/about')
    def about() -> Response:
        """Return what does not change: elements, limits, crop."""
        return JSONResponse(described(side), headers=NO_STORE)

    @app.post('/person')
    def person(said: Person) -> Response:
        """Hear that the page which took over is there, and which buttons are held."""
        side.post(lambda: side.takeover.hear(said.page, said.held, said.led))
        return JSONResponse({}, headers=NO_STORE)

    @app.post('/e_stop')
    def e_stop() -> Response:
        """Press the e-stop; the answer says that the console has taken it."""
        side.post(side.press)
        return JSONResponse({'pressed': True}, headers=NO_STORE)


def described(side: RobotSide) -> dict[str, Any]:
    """Return the elements of a robot's action with unit and limits, for the curves."""
    elements = []
    for group in side.robot.action:
        lower, upper = group.limits.lower, group.limits.upper
        for index, name in enumerate(group.names):
            elements.append(
                {
                    'name': name,
                    'group': group.name,
                    'unit': group.units[index],
                    'low': None if lower is None else float(lower[index]),
                    'high': None if upper is None else float(upper[index]),
                }
            )
    return {'elements': elements, 'crop': NUMBERS.crop}
