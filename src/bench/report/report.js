/* Convenience: the page is complete without it. */
(() => {
  'use strict';
  const chosen = document.documentElement.dataset;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, name, text) => {
    const e = document.createElement(tag);
    e.className = name || '';
    e.textContent = text || '';
    if (tag === 'button') e.type = 'button';
    return e;
  };

  const theme = make('button', 'tool theme'), system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => chosen.theme ? chosen.theme === 'dark' : system.matches;
  const nameTheme = () => { theme.textContent = isDark() ? 'Light theme' : 'Dark theme'; };
  theme.onclick = () => { chosen.theme = isDark() ? 'light' : 'dark'; nameTheme(); };
  system.addEventListener('change', nameTheme);
  nameTheme();
  document.querySelector('header').append(theme);

  /* As in axis.c: "kind low high from to". */
  const kinds = {
    lin: [v => v, u => u], log: [Math.log, Math.exp], tail: [v => -Math.log(1 - v), u => 1 - Math.exp(-u)],
  };
  const axis = (kind, low, high, from, to) => {
    const [f, g] = kinds[kind], a = f(low), b = f(high);
    return { kind, low, high, from, to,
      at: v => from + (f(Math.min(Math.max(v, low), high)) - a) / (b - a) * (to - from),
      of: p => g(a + (p - from) / (to - from) * (b - a)) };
  };
  const parse = text => { const [k, ...n] = text.split(' '); return axis(k, ...n.map(Number)); };
  const figure = v => {
    const s = Math.abs(v);
    return s === 0 ? '0' : s >= 99.95 ? v.toFixed(0) : v.toFixed(Math.min(8, 2 - Math.floor(Math.log10(s))));
  };
  const tick = v => figure(v).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
  const vertices = path => [...path.getAttribute('d').matchAll(/([\d.-]+) ([\d.-]+)/g)].map(m => [+m[1], +m[2]]);

  const logTicks = a => {
    const decades = Math.log10(a.high / a.low), out = [];
    const steps = decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
    for (let e = Math.floor(Math.log10(a.low)); e <= Math.log10(a.high); e++) {
      for (const s of steps) {
        const v = s * 10 ** e;
        if (v >= a.low && v <= a.high) out.push(v);
      }
    }
    return out.length > 1 ? out : [a.low, a.high];
  };
  const drawTicks = (group, a) => {
    const [line, label] = [group.querySelector('path'), group.querySelector('text')];
    const [x0, x1] = vertices(line).map(p => p[0]);
    group.replaceChildren(...logTicks(a).flatMap(v => {
      const l = line.cloneNode(), t = label.cloneNode(), y = a.at(v).toFixed(1);
      l.setAttribute('d', `M${x0} ${y}L${x1} ${y}`);
      t.setAttribute('y', +y + 4.5);
      t.textContent = tick(v);
      return [l, t];
    }));
  };
  const move = (svg, from, to) => {
    const y = v => to.at(from.of(v)).toFixed(1);
    for (const p of all('.line,.band,.err,.lim', svg)) {
      const before = vertices(p)[0][1];
      p.setAttribute('d', p.getAttribute('d').replace(/([\d.-]+) ([\d.-]+)/g, (m, a, b) => a + ' ' + y(+b)));
      const label = p.matches('.lim') && p.nextElementSibling;
      if (label) label.setAttribute('y', +label.getAttribute('y') + vertices(p)[0][1] - before);
    }
    for (const p of all('.pt', svg)) {
      const [, a, b] = p.getAttribute('transform').match(/\((\S+) (\S+)\)/), label = p.nextElementSibling;
      p.setAttribute('transform', `translate(${a} ${y(+b)})`);
      if (label && label.tagName === 'text') label.setAttribute('y', +label.getAttribute('y') + y(+b) - b);
    }
  };
  const scaleButton = (svg, caption) => {
    const linear = parse(svg.dataset.y), low = +svg.dataset.low;
    if (linear.kind !== 'lin' || !(low > 0) || !(linear.high / low > 3)) return;
    const log = axis('log', low * 0.85, linear.high, linear.from, linear.to);
    const drawn = svg.cloneNode(true);
    const button = make('button', 'tool', 'log');
    button.setAttribute('aria-label', 'logarithmic scale');
    button.setAttribute('aria-pressed', 'false');
    button.onclick = () => {
      const on = button.getAttribute('aria-pressed') === 'false';
      button.setAttribute('aria-pressed', on);
      button.textContent = on ? 'linear' : 'log';
      if (on) {
        move(svg, linear, log);
        drawTicks(svg.querySelector('.yax'), log);
      } else {
        const off = all('g[data-name]', svg).map(g => g.matches('.off'));
        svg.replaceChildren(...drawn.cloneNode(true).childNodes);
        all('g[data-name]', svg).forEach((g, i) => g.classList.toggle('off', off[i]));
      }
    };
    caption.append(button);
  };

  const tip = make('div', 'tip off');
  tip.setAttribute('aria-hidden', 'true');
  document.body.append(tip);
  const show = (event, text) => {
    tip.textContent = text;
    tip.classList.toggle('off', !text);
    const r = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - r.width - 8)) + 'px';
    tip.style.top = Math.max(4, event.clientY - r.height - 12) + 'px';
  };
  const nearest = (svg, at) => {
    let best = null, distance = 22;
    for (const p of all('g:not(.off) > .pt', svg)) {
      const [, a, b] = p.getAttribute('transform').match(/\((\S+) (\S+)\)/);
      const d = Math.hypot(a - at.x, b - at.y);
      if (d < distance) [best, distance] = [p, d];
    }
    return best && best.dataset.t;
  };
  const alongLines = (svg, at, x, y) => {
    const rows = [];
    let place = null;
    for (const line of all('g:not(.off) > .line', svg)) {
      const points = vertices(line);
      if (!points.length || at.x < points[0][0] - 12 || at.x > points[points.length - 1][0] + 12) continue;
      const p = points.reduce((a, b) => Math.abs(b[0] - at.x) < Math.abs(a[0] - at.x) ? b : a);
      place = place === null ? p[0] : place;
      rows.push(`${line.parentNode.dataset.name}: ${figure(y.of(p[1]))}`);
    }
    if (!rows.length) return '';
    const v = x.of(place);
    return (x.kind === 'tail' ? (100 * v).toPrecision(4) + ' %' : tick(v)) + '\n' + rows.join('\n');
  };
  for (const svg of all('.chart > svg')) {
    const title = svg.querySelector('title'), desc = svg.querySelector('desc');
    svg.setAttribute('aria-label', `${title.textContent}. ${desc.textContent}`);
    svg.removeAttribute('aria-labelledby');
    title.remove();
    for (const t of all('title', svg)) {
      t.parentNode.dataset.t = t.textContent;
      t.remove();
    }
    const read = event => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const own = event.target.closest('[data-t]');
      if (own && svg.contains(own)) return show(event, own.dataset.t);
      const isLog = svg.parentNode.querySelector('figcaption [aria-pressed="true"]');
      if (!svg.dataset.y) return show(event, '');
      let y = parse(svg.dataset.y);
      if (isLog) y = axis('log', +svg.dataset.low * 0.85, y.high, y.from, y.to);
      show(event, nearest(svg, at) || (svg.querySelector('.pt') ? '' : alongLines(svg, at, parse(svg.dataset.x), y)));
    };
    svg.addEventListener('pointermove', read);
    svg.addEventListener('pointerleave', () => tip.classList.add('off'));
    if (svg.dataset.y) scaleButton(svg, svg.parentNode.querySelector('figcaption'));
  }

  for (const item of all('.legend li')) {
    const svg = item.closest('figure').querySelector('svg[role]');
    if (!svg.querySelector(`g[data-k="${item.dataset.k}"]`)) continue;
    const button = make('button');
    button.setAttribute('aria-pressed', 'true');
    button.append(...item.childNodes);
    button.onclick = () => {
      const on = button.getAttribute('aria-pressed') === 'false';
      button.setAttribute('aria-pressed', on);
      all(`g[data-k="${item.dataset.k}"]`, svg).forEach(g => g.classList.toggle('off', !on));
    };
    item.append(button);
  }

  const text = cell => cell.textContent.trim();
  const markdown = table => {
    const rows = all('tr', table).map(r => [...r.cells].map(c => text(c).replace(/\|/g, '\\|')));
    const rule = [...table.tHead.rows[0].cells].map(c => c.matches('.n') ? '--:' : '---');
    return [rows[0], rule, ...rows.slice(1)].map(r => `| ${r.join(' | ')} |`).join('\n') + '\n';
  };
  const copy = async data => {
    try {
      await navigator.clipboard.writeText(data);
    } catch {
      const area = make('textarea');
      area.value = data;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
  };
  const sort = (table, column, head) => {
    const up = head.getAttribute('aria-sort') !== 'ascending', body = table.tBodies[0];
    const key = row => { const n = parseFloat(text(row.cells[column])); return isNaN(n) ? null : n; };
    const rows = [...body.rows].sort((a, b) => {
      const x = key(a), y = key(b);
      if ((x === null) !== (y === null)) return x === null ? 1 : -1;
      const d = x === null ? text(a.cells[column]).localeCompare(text(b.cells[column])) : x - y;
      return up ? d : -d;
    });
    all('th', table.tHead).forEach(h => h.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    body.append(...rows);
  };
  for (const table of all('table')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (table.tBodies[0].rows.length < 3 || !text(head)) return;
      const button = make('button', '', text(head));
      button.onclick = () => sort(table, column, head);
      head.replaceChildren(button);
    });
    const button = make('button', 'tool', 'copy');
    button.title = 'Copy as Markdown';
    button.onclick = async () => {
      await copy(markdown(table));
      button.textContent = 'copied';
      setTimeout(() => { button.textContent = 'copy'; }, 1500);
    };
    table.caption.append(button);
  }

  let folded = [];
  addEventListener('beforeprint', () => {
    folded = all('details:not([open])');
    folded.forEach(d => { d.open = true; });
  });
  addEventListener('afterprint', () => folded.forEach(d => { d.open = false; }));
})();
