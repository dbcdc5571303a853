# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person does with the console's page in a browser."""

import os
from pathlib import Path

import pytest

PHONE = {'width': 390, 'height': 844}
PATIENCE_MS = 60_000  # a browser that renders in software, beside six processes


class Person:
    """One browser's page of the console."""

    def __init__(self, browser, world, address, **context):
        self.world = world
        self.page = browser.new_page(**context)
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults, self.foreign = [], []
        self.page.on('pageerror', lambda error: self.faults.append(str(error)))
        ours = (address, 'blob:', 'data:', 'ws://127.0.0.1')
        self.page.on(
            'request', lambda r: None if r.url.startswith(ours) else self.foreign.append(r.url)
        )
        self.page.goto(address, wait_until='domcontentloaded')

    def button(self, name):
        return self.page.get_by_role('button', name=name, exact=True)

    def push(self, name):
        """Push a button once it can be pushed."""
        # Not `click`: it waits for two equal frames, which a busy machine takes minutes to draw.
        try:
            self.page.wait_for_function(
                'name => [...document.querySelectorAll("button")]'
                '.some(each => each.innerText.trim() === name && !each.disabled)',
                arg=name,
            )
        except Exception:
            self.fails(f'{name!r} cannot be pushed')
        self.button(name).dispatch_event('click')

    def sees(self, text, patience_ms=PATIENCE_MS):
        try:
            self.page.get_by_text(text).first.wait_for(timeout=patience_ms)
        except Exception:
            self.fails(f'{text!r} is not seen')

    def fails(self, what):
        seen = self.page.locator('.hero, .events, .note, .episode').all_inner_texts()
        try:
            self.page.screenshot(path=self.world.folder / 'page.png', full_page=True)
        except Exception:  # a machine that is too busy to draw it: the texts say enough
            seen.append('(no picture)')
        logs = [path.read_text()[-3000:] for path in sorted(self.world.folder.glob('*.log'))]
        pytest.fail('\n'.join([f'{what}; {self.world.folder}/page.png shows {seen}', *logs]))

    def hold(self, label, seen):
        """Hold a button down until something is seen in the world."""
        button = self.page.get_by_label(label)
        button.scroll_into_view_if_needed()
        button.hover()
        self.page.mouse.down()
        self.world.until(seen, f'{label} has an effect')
        self.page.mouse.up()

    def picture(self, name):
        """Keep a picture of the page, where a folder for it is named."""
        if folder := os.environ.get('GR00T_PICTURES'):
            self.page.evaluate('scrollTo(0, 0)')  # the bar stays at the top
            self.page.screenshot(path=Path(folder) / f'{name}.png', full_page=True)

    def phone_picture(self, browser, address, name, selector):
        """Keep what a phone shows of an address, likewise; it must fit the phone's width."""
        if folder := os.environ.get('GR00T_PICTURES'):
            page = browser.new_page(viewport=PHONE, device_scale_factor=2, has_touch=True)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address, wait_until='domcontentloaded')
            page.wait_for_selector(selector)
            page.wait_for_timeout(2000)  # curves fill
            assert page.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
            page.screenshot(path=Path(folder) / f'{name}.png')
            page.close()

    def leave(self):
        """Close the page; nothing failed in it, and nothing came from elsewhere."""
        assert not self.faults
        assert not self.foreign
        self.page.close()
