// Copyright 2026 The gr00t_ros authors
// SPDX-License-Identifier: Apache-2.0
// The page of episodes: all cameras show the same row, and every decision is sent at once.
(() => {
  'use strict';
  const place = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const urls = new Map();
  const KEPT_PICTURES = 400;
  let about = null, list = [], shown = null, row = 0, part = 0, playing = false, wanted = -1, drawing = false, canvases = [];

  async function ask(path, body) {
    const options = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    let answer;
    try { answer = await fetch(path, options); } catch { throw new Error('gr00t view has ended: start it again'); }
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(content.error || `the server answered ${answer.status}`);
    return content;
  }

  function tell(text, bad) { place('saved').textContent = text; place('saved').classList.toggle('bad', Boolean(bad)); }
  const seconds = (value) => `${value.toFixed(2)} s`;
  const isDeleted = (episode) => episode.stretches.every((each) => each.delete);
  const isDecided = (episode) => episode.stretches.length > 1 || episode.stretches.some(says);
  const says = (each) => each.delete || each.instruction !== null || each.success !== null || each.mark !== '';
  const word = (outcome) => (outcome === null ? 'not known' : outcome ? 'success' : 'failure');
  function outcomes(episode) {
    return [...new Set(episode.stretches.filter((each) => !each.delete).map((each) => (each.success === null ? episode.outcome : each.success)))];
  }
  const instructions = (episode) => [...new Set(episode.stretches.map((each) => each.instruction ?? episode.instruction))];

  // The list.
  function matches(episode) {
    const outcome = place('by-outcome').value, told = place('by-instruction').value, more = place('by-more').value;
    if (outcome && !outcomes(episode).map(String).includes(outcome)) return false;
    if (told && !instructions(episode).includes(told)) return false;
    if (more === 'interventions' && !episode.interventions) return false;
    if (more === 'warnings' && !episode.warnings.length) return false;
    if (more === 'decided' && !isDecided(episode)) return false;
    return more !== 'kept' || !isDeleted(episode);
  }
  function element(kind, classes, text) {
    const made = document.createElement(kind);
    made.className = classes;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function showList() {
    if (!about) return;
    const found = list.filter(matches);
    place('shown').textContent = `${found.length} of ${list.length} episodes`;
    place('episodes').replaceChildren(...found.map((episode) => {
      const line = element('button', 'episode-row');
      line.dataset.number = episode.number;
      line.setAttribute('role', 'option');
      line.classList.toggle('chosen', shown !== null && shown.number === episode.number);
      line.classList.toggle('deleted', isDeleted(episode));
      const seen = outcomes(episode), outcome = seen.length === 1 ? seen[0] : null;
      const kind = outcome === null ? '' : outcome ? 'good' : 'bad';
      const tag = isDeleted(episode) ? element('span', 'tag bad', 'deleted') : element('span', `tag ${kind}`, seen.length > 1 ? 'both' : word(outcome));
      const marks = episode.stretches.map((each) => each.mark).filter(Boolean);
      const facts = [seconds(episode.seconds)];
      if (typeof episode.source === 'string') facts.unshift(episode.source);
      const parts = episode.stretches.filter((each) => !each.delete).length;
      if (parts > 1) facts.push(`${parts} parts`);
      if (episode.interventions) facts.push(`${episode.interventions} intervention${episode.interventions > 1 ? 's' : ''}`);
      if (episode.warnings.length) facts.push(`⚠ ${episode.warnings.length}`);
      if (marks.length) facts.push(`“${marks.join(', ')}”`);
      line.append(element('span', 'number', episode.number), element('span', 'what', instructions(episode).join(' · ') || 'no instruction'), tag, element('span', 'small', facts.join(' · ')));
      return line;
    }));
    const kept = list.flatMap((episode) => episode.stretches.filter((each) => !each.delete)).length;
    place('kept').textContent = `${kept} episodes stay`;
    const known = [...new Set(list.flatMap(instructions))].sort(), chosen = place('by-instruction').value;
    place('by-instruction').replaceChildren(new Option('every instruction', ''), ...known.map((text) => new Option(text, text)));
    place('by-instruction').value = known.includes(chosen) ? chosen : '';
    place('known').replaceChildren(...known.map((text) => new Option(text, text)));
  }

  // One episode.
  async function open(number, at) {
    stop();
    await push();
    shown = await ask(`episodes/${number}`);
    row = Math.min(Math.max(at || 0, 0), shown.rows - 1); part = 0; wanted = -1;
    place('row').max = shown.rows - 1;
    layOut();
    showList(); showParts(); go(row);
    history.replaceState(null, '', `#episode=${number}&at=${Number((row / about.fps).toFixed(3))}`);
  }
  function layOut() {
    place('cameras').replaceChildren(...about.cameras.map((name) => {
      const figure = element('figure', 'camera live'), picture = element('div', 'picture');
      const image = element('img', ''), caption = element('figcaption', '', name);
      image.alt = name; picture.append(image); figure.dataset.camera = name; figure.append(picture, caption);
      return figure;
    }));
    canvases = [];
    const boxes = [];
    const names = Object.keys({ ...about.groups.state, ...about.groups.action });
    for (const group of names) {
      const elements = about.groups.action[group] || about.groups.state[group];
      elements.forEach((name, index) => {
        const state = about.groups.state[group] && about.groups.state[group].length === elements.length ? shown.state[group][index] : null;
        const action = about.groups.action[group] ? shown.action[group][index] : null;
        const box = element('div', 'curve'), head = element('div', 'head'), value = element('span', '');
        const label = elements.length > 1 && /^\d+$/.test(name) ? `${group} ${name}` : name;
        head.append(element('b', '', (label === '0' ? group : label).replaceAll('_', ' ')), value);
        const canvas = element('canvas', '');
        box.append(head, canvas); boxes.push(box);
        canvases.push({ canvas, value, state, action });
      });
    }
    place('curves').replaceChildren(...boxes);
    const range = `${shown.rows} rows, ${seconds(shown.seconds)}`;
    place('title').textContent = `Episode ${shown.number}${typeof shown.source === 'string' ? `, ${shown.source}` : ''}`;
    place('facts').textContent = range;
    place('warnings').replaceChildren(...shown.warnings.map((text) => {
      const line = element('li', ''), found = /\brows? (\d+)/.exec(text);
      if (!found) { line.textContent = text; return line; }
      const link = element('button', '', text);
      link.addEventListener('click', () => go(Number(found[1])));
      line.append(link);
      return line;
    }));
  }
  function draw() {
    const styles = { state: colour('--measured'), action: colour('--commanded'), line: colour('--line'), ink: colour('--ink'), person: colour('--commanded') + '2a' };
    const ratio = devicePixelRatio || 1, last = Math.max(shown.rows - 1, 1);
    for (const { canvas, value, state, action } of canvases) {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width) continue;
      canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
      const context = canvas.getContext('2d');
      context.setTransform(ratio, 0, 0, ratio, 0, 0); context.clearRect(0, 0, width, height);
      const x = (at) => 1 + (width - 2) * at / last;
      for (const each of shown.stretches) if (each.delete) { context.fillStyle = colour('--bad-soft'); context.fillRect(x(each.first), 0, x(each.end) - x(each.first), height); }
      if (shown.decided_by) { context.fillStyle = styles.person; shown.decided_by.forEach((who, at) => { if (who === 'person') context.fillRect(x(at), 0, x(1) - x(0) + 0.6, height); }); }
      const values = [...(state || []), ...(action || [])].filter((each) => each !== null);
      let low = Math.min(...values), high = Math.max(...values);
      if (!values.length) { low = 0; high = 1; }
      const lack = Math.max(0.02 - (high - low), 0); low -= lack / 2; high += lack / 2;
      const y = (v) => 4 + (height - 8) * (1 - (v - low) / (high - low));
      for (const [points, style, thick] of [[action, styles.action, 1.4], [state, styles.state, 1.8]]) {
        if (!points) continue;
        context.beginPath(); context.strokeStyle = style; context.lineWidth = thick;
        let pen = false;
        points.forEach((v, at) => { if (v === null) { pen = false; return; } if (pen) context.lineTo(x(at), y(v)); else context.moveTo(x(at), y(v)); pen = true; });
        context.stroke();
      }
      context.fillStyle = styles.ink; context.fillRect(x(row) - 0.5, 0, 1, height);
      context.fillStyle = styles.line; context.fillRect(0, height - 1, width, 1);
      const now = (state || action || [])[row];
      value.textContent = now === null || now === undefined ? '' : now.toFixed(3);
    }
  }
  async function picture(number, camera, at) {
    const key = `${number}/${camera}/${at}`;
    if (!urls.has(key)) {
      const answer = await fetch(`frame/${number}/${encodeURIComponent(camera)}/${at}`);
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `no picture: ${answer.status}`);
      urls.set(key, URL.createObjectURL(await answer.blob()));
      for (const old of urls.keys()) { if (urls.size <= KEPT_PICTURES) break; URL.revokeObjectURL(urls.get(old)); urls.delete(old); }
    }
    return urls.get(key);
  }
  // All cameras' pictures of a row are shown together, when the last of them is there.
  async function follow() {
    if (drawing) return;
    drawing = true;
    while (shown && wanted !== row) {
      wanted = row;
      const number = shown.number, at = row;
      try {
        const found = await Promise.all(about.cameras.map((name) => picture(number, name, at)));
        if (shown.number === number) {
          document.querySelectorAll('#cameras img').forEach((image, index) => { image.src = found[index]; });
          place('cameras').dataset.row = at;
        }
      } catch (error) { tell(error.message, true); stop(); break; }
    }
    drawing = false;
  }
  function go(at) {
    row = Math.min(Math.max(at, 0), shown.rows - 1);
    place('row').value = row;
    place('clock').textContent = `${seconds(row / about.fps)} · ${row}`;
    const inside = shown.stretches.findIndex((each) => row >= each.first && row < each.end);
    if (inside !== part && inside >= 0) { push(); part = inside; showParts(); } else needle();
    draw(); follow();
  }
  function stop() { playing = false; place('play').textContent = '▶'; }
  async function play() {
    if (playing || !shown) { stop(); return; }
    playing = true; place('play').textContent = '❚❚';
    if (row >= shown.rows - 1) go(0);
    let begun = performance.now(), from = row, number = shown.number;
    while (playing && shown.number === number) {
      await new Promise((done) => setTimeout(done, 15));
      if (drawing) { continue; }  // slower rather than out of step
      const at = from + Math.floor((performance.now() - begun) * about.fps / 1000);
      if (at > row + about.fps / 2) { begun = performance.now(); from = row + 1; go(from); } else if (at !== row) go(at);
      if (row >= shown.rows - 1) stop();
    }
  }

  // What is decided.
  function needle() {
    const old = place('timeline').querySelector('.needle') || place('timeline').appendChild(element('div', 'needle'));
    old.style.left = `${100 * row / Math.max(shown.rows, 1)}%`;
  }
  function showParts() {
    const many = shown.stretches.length > 1;
    place('timeline').replaceChildren(...shown.stretches.map((each, index) => {
      const text = each.delete ? 'deleted' : [each.instruction, each.success === null ? '' : word(each.success), each.mark && `“${each.mark}”`].filter(Boolean).join(' · ');
      const button = element('button', '', text || (many ? `part ${index + 1}` : ''));
      button.style.flex = `${each.end - each.first} 1 0`;
      button.classList.toggle('deleted', each.delete);
      button.classList.toggle('chosen', index === part);
      button.title = `rows ${each.first} to ${each.end - 1}${text ? `: ${text}` : ''}`;
      button.addEventListener('click', (event) => { const box = place('timeline').getBoundingClientRect(); go(Math.floor(shown.rows * (event.clientX - box.left) / box.width)); });
      return button;
    }));
    needle();
    const each = shown.stretches[part];
    place('stretch').textContent = many ? `Part ${part + 1} of ${shown.stretches.length}` : 'The whole episode';
    place('delete').textContent = isDeleted(shown) ? 'Keep episode' : 'Delete episode';
    place('delete-part').textContent = each.delete ? 'Keep this part' : 'Delete this part';
    place('delete-part').disabled = !many;
    place('reset').disabled = !isDecided(shown);
    for (const [id, value] of [['instruction', each.instruction || ''], ['mark', each.mark]]) if (document.activeElement !== place(id)) place(id).value = value;
    place('instruction').placeholder = shown.instruction;
    place('outcome').value = each.success === null ? '' : String(each.success);
    place('outcome').options[0].text = `as recorded: ${word(shown.outcome)}`;
  }
  async function send(stretches) {
    const before = shown.stretches, number = shown.number;
    shown.stretches = stretches;
    part = Math.max(stretches.findIndex((each) => row >= each.first && row < each.end), 0);
    showParts(); draw();
    try {
      list[number] = await ask(`episodes/${number}`, { stretches });
      tell('saved');
    } catch (error) {
      tell(error.message, true);
      if (shown.number === number) { shown.stretches = before; part = 0; showParts(); draw(); }
    }
    showList();
  }
  const copy = () => shown.stretches.map((each) => ({ ...each }));
  function cutAt(stretches, at) {
    return stretches.flatMap((each) => (at > each.first && at < each.end ? [{ ...each, end: at }, { ...each, first: at }] : [each]));
  }
  function drop(first, end) {
    const made = cutAt(cutAt(copy(), first), end).map((each) => (each.first >= first && each.end <= end ? { ...each, delete: true } : each));
    return send(made.reduce((done, each) => { // neighbours that are deleted are one
      const last = done[done.length - 1];
      if (last && last.delete && each.delete) { last.end = each.end; return done; }
      return [...done, each];
    }, []));
  }
  function change(values) { const made = copy(); Object.assign(made[part], values); return send(made); }
  async function push() { // what was typed and not sent yet
    if (!shown || !shown.stretches[part]) return;
    const each = shown.stretches[part], told = place('instruction').value.trim() || null, mark = place('mark').value.trim();
    if (told !== each.instruction || mark !== each.mark) await change({ instruction: told, mark });
  }
  const acts = {
    'delete': () => { const all = isDeleted(shown); return send(all ? [{ ...shown.stretches[0], first: 0, end: shown.rows, delete: false }] : [{ first: 0, end: shown.rows, delete: true, instruction: null, success: null, mark: '' }]); },
    'start-here': () => row > 0 && drop(0, row),
    'end-here': () => row + 1 < shown.rows && drop(row + 1, shown.rows),
    'split': () => row > 0 && send(cutAt(copy(), row)),
    'delete-part': () => change({ delete: !shown.stretches[part].delete }),
    'reset': () => { place('instruction').value = ''; place('mark').value = ''; return send([{ first: 0, end: shown.rows, delete: false, instruction: null, success: null, mark: '' }]); },
  };
  for (const [id, act] of Object.entries(acts)) place(id).addEventListener('click', () => shown && act());
  place('outcome').addEventListener('change', () => shown && change({ success: place('outcome').value === '' ? null : place('outcome').value === 'true' }));
  for (const id of ['instruction', 'mark']) place(id).addEventListener('change', push);
  place('row').addEventListener('input', () => { if (shown) { stop(); go(Number(place('row').value)); } });
  place('play').addEventListener('click', play);
  place('episodes').addEventListener('click', (event) => { const line = event.target.closest('.episode-row'); if (line) open(Number(line.dataset.number)).catch((error) => tell(error.message, true)); });
  place('curves').addEventListener('click', (event) => { const box = event.target.getBoundingClientRect(); if (event.target.tagName === 'CANVAS') { stop(); go(Math.round((shown.rows - 1) * (event.clientX - box.left) / box.width)); } });
  for (const id of ['by-outcome', 'by-instruction', 'by-more']) place(id).addEventListener('change', showList);
  addEventListener('resize', () => shown && draw());
  addEventListener('keydown', (event) => {
    if (!shown || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== 'range' || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { ' ': play, ArrowLeft: () => { stop(); go(row - 1); }, ArrowRight: () => { stop(); go(row + 1); }, s: acts.split, d: acts['delete'] };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  place('save').addEventListener('click', async () => {
    await push();
    place('save').disabled = true; place('written').textContent = 'writing …';
    try {
      const told = await ask('save', { output: place('output').value });
      place('written').textContent = `${told.episodes} episodes are in ${told.output}`;
    } catch (error) { place('written').textContent = error.message; }
    place('save').disabled = false;
  });
  place('copy').addEventListener('click', () => navigator.clipboard.writeText(about.convert).then(() => tell('copied'), () => tell('select the text and copy it', true)));

  // The server converts, not this page: another page, or this one later, shows the same conversion.
  const KINDS = { running: '', done: 'good', faulty: 'warn', failed: 'bad' };
  let following = false;
  function showConversion(told) {
    const made = told.state === 'done' || told.state === 'faulty', text = told.text ? `\n${told.text}` : '';
    const count = `${told.episodes} episode${told.episodes === 1 ? '' : 's'} in ${told.output}`;
    place('make').disabled = place('again').firstElementChild.disabled = told.state === 'running';
    place('make').textContent = told.state === 'running' ? 'Converting …' : 'Convert';
    place('converted').className = `converted ${KINDS[told.state] || ''}`;
    place('converted').textContent = {
      none: '', running: `Converting to ${told.output}: ${told.bags} ${told.bags === 1 ? 'bag' : 'bags'} finished. You may close this page.`,
      done: `Converted: ${count}.${text}`, faulty: `Converted, with faults: ${count}.${text}`, failed: `Not converted: ${told.text}`,
    }[told.state];
    place('after').hidden = !made;
    place('next').textContent = `Next: gr00t finetune --dataset ${told.output} …, where you train.`;
  }
  async function followConversion() {
    if (following) return;
    following = true;
    for (;;) {
      try {
        const told = await ask('conversion');
        showConversion(told);
        if (told.state !== 'running') break;
      } catch (error) { place('converted').className = 'converted bad'; place('converted').textContent = error.message; }
      await new Promise((done) => setTimeout(done, 700));
    }
    following = false;
  }
  place('make').addEventListener('click', async () => {
    await push();
    try {
      showConversion(await ask('conversion', { output: place('dataset').value, only_success: place('only-success').checked }));
      await followConversion();
    } catch (error) { place('converted').className = 'converted bad'; place('converted').textContent = error.message; place('after').hidden = true; }
  });

  async function begin() {
    about = await ask('about');
    list = await ask('episodes');
    place('path').textContent = about.bags ? 'bags' : about.path;
    place('decisions').textContent = about.decisions;
    place('save-dataset').hidden = about.bags; place('save-bags').hidden = !about.bags;
    place('convert').textContent = about.convert;
    place('back').hidden = place('again').hidden = !about.console;
    place('output').value = `${about.path}_decided`;
    if (about.bags) { place('dataset').value = (await ask('conversion')).output; followConversion(); }
    showList();
    await followAddress();
    addEventListener('hashchange', () => followAddress().catch((error) => tell(error.message, true)));
  }
  // `#episode=3&at=12.4`, in seconds: what links of reports and `gr00t view --episode 3 --at 12.4` lead to.
  async function followAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const number = Number(asked.get('episode')), at = Number(asked.get('at'));
    const found = Boolean(list[number]);
    if (list.length) await open(found ? number : 0, found ? Math.round(at * about.fps) : 0);
    if (list.length && !found) tell(`there is no episode ${asked.get('episode')}: there are ${list.length}, counted from 0`, true);
  }
  begin().catch((error) => tell(error.message, true));
})();
