// Copyright 2026 The gr00t_ros authors
// SPDX-License-Identifier: Apache-2.0
// Draws pictures and curves, and presses the e-stop by a request of its own.
(() => {
  'use strict';
  const PAST_MS = 10000, AHEAD_MS = 1000, PICTURE_MS = 70, CURVES_MS = 150, OLD_MS = 1500;
  const data = { measured: [], commanded: [], chunk: null, before: null, now: 0, at: 0 };
  let about = null, canvases = [];

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  async function show(figure) {
    const image = figure.querySelector('img'), age = figure.querySelector('.age');
    let number = 0, last = 0, url = '';
    while (document.contains(figure)) {
      const asked = performance.now();
      if (!document.hidden) {
        const model = figure.closest('.cameras').classList.contains('model');
        try {
          const answer = await fetch(`/frame/${encodeURIComponent(figure.dataset.camera)}?after=${number}&model=${model}`);
          if (answer.status === 200) {
            number = Number(answer.headers.get('x-number'));
            const next = URL.createObjectURL(await answer.blob());
            image.src = next;
            if (url) URL.revokeObjectURL(url);
            url = next; last = performance.now();
          } else if (answer.status === 415) {
            figure.querySelector('.no-picture').textContent = (await answer.json()).error;
          }
        } catch (error) { await pause(1000); }
      }
      const old = performance.now() - last;
      figure.classList.toggle('live', last > 0 && old < OLD_MS);
      age.textContent = last ? (old < OLD_MS ? 'live' : `${(old / 1000).toFixed(0)} s old`) : '';
      await pause(Math.max(PICTURE_MS - (performance.now() - asked), 15));
    }
  }

  function layOut(place) {
    place.innerHTML = '';
    canvases = about.elements.map((element) => {
      const box = document.createElement('div');
      box.className = 'curve';
      const head = document.createElement('div'), name = document.createElement('b'), value = document.createElement('span');
      head.className = 'head'; name.textContent = element.name.replaceAll('_', ' ');
      head.append(name, value);
      const canvas = document.createElement('canvas');
      box.append(head, canvas); place.append(box);
      return { canvas, value, element };
    });
  }

  function line(context, points, x, y, style, width, dash) {
    context.beginPath(); context.strokeStyle = style; context.lineWidth = width; context.setLineDash(dash || []);
    let pen = false;
    for (const [t, v] of points) {
      if (v === null || v === undefined) { pen = false; continue; }
      if (pen) context.lineTo(x(t), y(v)); else context.moveTo(x(t), y(v));
      pen = true;
    }
    context.stroke(); context.setLineDash([]);
  }

  function draw() {
    const now = data.now + (performance.now() - data.at), ratio = devicePixelRatio || 1;
    const styles = { measured: colour('--measured'), commanded: colour('--commanded'), predicted: colour('--predicted'), line: colour('--line'), soft: colour('--soft') };
    canvases.forEach(({ canvas, value, element }, index) => {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width) return;
      if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
      const context = canvas.getContext('2d');
      context.setTransform(ratio, 0, 0, ratio, 0, 0); context.clearRect(0, 0, width, height);
      const column = (rows) => rows.map((row) => [row[0], row[index + 1]]);
      const sets = { measured: column(data.measured), commanded: column(data.commanded), chunk: data.chunk ? column(data.chunk.rows) : [], before: data.before ? column(data.before.rows) : [] };
      const seen = Object.values(sets).flat().filter(([t, v]) => v !== null && t > now - PAST_MS).map(([, v]) => v);
      let low = Math.min(...seen), high = Math.max(...seen);
      const least = element.high !== null ? (element.high - element.low) * 0.05 : 0.05;
      if (!seen.length) { low = 0; high = 1; }
      const lack = Math.max(least - (high - low), 0); low -= lack / 2; high += lack / 2;
      const x = (t) => width * (t - (now - PAST_MS)) / (PAST_MS + AHEAD_MS), y = (v) => 4 + (height - 8) * (1 - (v - low) / (high - low));
      context.fillStyle = styles.line; context.fillRect(x(now), 0, 1, height);
      context.fillRect(0, height - 1, width, 1);
      for (const limit of [element.low, element.high]) if (limit !== null && limit > low && limit < high) line(context, [[now - PAST_MS, limit], [now + AHEAD_MS, limit]], x, y, styles.soft, 0.7, [3, 3]);
      line(context, sets.before, x, y, styles.predicted + '66', 1.5);
      line(context, sets.chunk, x, y, styles.predicted, 2.2);
      line(context, sets.measured, x, y, styles.measured, 1.8);
      line(context, sets.commanded, x, y, styles.commanded, 1.4);
      const last = data.measured.length ? data.measured[data.measured.length - 1][index + 1] : null;
      value.textContent = last === null || last === undefined ? '' : `${last.toFixed(2)} ${element.unit}`;
    });
  }

  async function follow() {
    let since = 0;
    for (;;) {
      const place = document.getElementById('curves');
      if (place && !document.hidden) {
        try {
          if (!about) about = await (await fetch('/about')).json();
          if (!place.childElementCount) layOut(place);
          const told = await (await fetch(`/curves?since_ms=${since}`)).json();
          if (told.now < data.now - 1000) { data.measured = []; data.commanded = []; since = 0; }
          data.now = told.now; data.at = performance.now(); data.person = told.person;
          for (const kind of ['measured', 'commanded']) {
            data[kind] = data[kind].concat(told[kind]).filter((row) => row[0] > told.now - PAST_MS - 500);
            for (const row of told[kind]) since = Math.max(since, row[0]);
          }
          if (told.chunk && (!data.chunk || told.chunk.sequence !== data.chunk.sequence)) { data.before = data.chunk; data.chunk = told.chunk; }
          if (!told.chunk) { data.chunk = data.before = null; }
        } catch (error) { await pause(1000); }
        draw();
      }
      await pause(CURVES_MS);
    }
  }

  // The page that took over says so itself, and which buttons are held: when it is gone, so is the person.
  const held = new Map();  // a column, or 'arm:axis' of a tip → direction
  function pressed() {
    const all = [...held], tips = all.filter(([key]) => key.includes(':'));
    return {
      held: Object.fromEntries(all.filter(([key]) => !key.includes(':'))),
      led: tips.map(([key, direction]) => [...key.split(':').map(Number), direction]),
    };
  }
  async function jog() {
    for (;;) {
      const jogs = document.querySelector('.jogs');
      if (jogs && data.person && data.person === jogs.dataset.page) {
        try {
          await fetch('/person', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ page: data.person, ...pressed() }) });
        } catch (error) { held.clear(); }
      } else held.clear();
      await pause(150);
    }
  }
  document.addEventListener('pointerdown', (event) => {
    const button = event.target.closest && event.target.closest('.jog-button');
    if (button) held.set(button.dataset.column || `${button.dataset.arm}:${button.dataset.axis}`, Number(button.dataset.direction));
  }, true);
  for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, () => held.clear(), true);
  window.addEventListener('blur', () => held.clear());  // not of a field that loses the focus: of the window
  document.addEventListener('contextmenu', (event) => { if (event.target.closest('.jog-button')) event.preventDefault(); });

  async function press(button) {
    button.classList.add('sent'); button.classList.remove('failed');
    button.firstElementChild.textContent = 'E-STOP …';
    try {
      const answer = await fetch('/e_stop', { method: 'POST' });
      if (!answer.ok) throw new Error(answer.status);
      button.firstElementChild.textContent = 'E-STOP';
    } catch (error) {
      button.classList.add('failed');
      button.firstElementChild.textContent = 'NOT SENT: use the robot’s e-stop';
    }
    setTimeout(() => button.classList.remove('sent'), 600);
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest && event.target.closest('#estop');
    if (button) press(button);
  }, true);
  document.addEventListener('change', (event) => {
    if (event.target.id === 'model-view') document.querySelectorAll('.cameras').forEach((each) => each.classList.toggle('model', event.target.checked));
  });
  const shown = new WeakSet();
  setInterval(() => document.querySelectorAll('.camera').forEach((figure) => {
    if (!shown.has(figure)) { shown.add(figure); show(figure); }
  }), 300);
  follow();
  jog();
})();
