// The ground of the map: each area filled as far as it is full, with its name and figure, and the
// lines from gates to their plates. Drawn by SVG; the figures are text of the page.

import { find, make, mark, write } from '../lib/dom.js';
import { hourMinute, number, percent } from '../lib/format.js';
import { say, t } from '../lib/i18n.js';
import { leadTo } from './map-plates.js';

/** @typedef {import('../lib/state.js').Park} Park */
/** @typedef {import('../lib/state.js').Area} Area */
/** @typedef {import('./map-places.js').Zone} Zone */
/** @typedef {import('./map-places.js').Post} Post */
/** @typedef {{shape: SVGElement, water: SVGElement, high: number, root: HTMLElement, name: HTMLElement, held: HTMLElement, of: HTMLElement, whole: HTMLElement, level: HTMLElement}} View */

const SVG = 'http://www.w3.org/2000/svg';
/** Lines of height within a field: a hill, as maps draw it. */
const CONTOURS = Object.freeze([0.82, 0.63, 0.43]);

/** @param {string} tag @param {Record<string, string | number>} attributes @param {SVGElement[]} inside */
function draw(tag, attributes, ...inside) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...inside);
  return node;
}

export class Ground {
  #svg;
  #labels;
  #leads = draw('g', { class: 'leads' });
  /** @type {Map<string, View>} */
  #views = new Map();

  /** @param {HTMLElement} box */
  constructor(box) {
    const svg = box.querySelector('svg');
    if (!svg) throw new Error('the map has no svg');
    this.#svg = svg;
    this.#labels = find(box, '.zones');
  }

  /**
   * @param {Park} park @param {Zone[]} zones @param {Map<Zone, import('./map-shape.js').Edge>} edges
   * @param {{width: number, height: number}} map
   */
  draw(park, zones, edges, map) {
    this.#svg.setAttribute('viewBox', `0 0 ${map.width} ${map.height}`);
    this.#views.clear();
    const shapes = zones.map((zone, n) => {
      const edge = edges.get(zone);
      /** @type {Record<string, string | number>} */
      const outline = edge ? { d: edge.path() } : { cx: zone.x, cy: zone.y, r: zone.r };
      const tag = edge ? 'path' : 'circle';
      const radii = edge ? Array.from({ length: 48 }, (_, k) => Math.sin((k / 48) * 2 * Math.PI) * edge.at((k / 48) * 2 * Math.PI)) : [-zone.r, zone.r];
      const [top, bottom] = [zone.y + Math.min(...radii), zone.y + Math.max(...radii)];
      const clip = draw('clipPath', { id: `zone-${n}` }, draw(tag, outline));
      const span = { x: 0, width: map.width };
      const water = draw('g', { class: 'water' },
        draw('rect', { ...span, y: top, height: bottom - top }), draw('rect', { ...span, y: top, height: 0.16, class: 'line' }));
      const lines = edge ? CONTOURS.map((scale) => draw('path', { class: 'contour', d: edge.path(scale) })) : [];
      const shape = draw('g', { class: zone.field ? 'field' : 'pool' }, clip, draw(tag, { ...outline, class: 'soil' }),
        draw('g', { 'clip-path': `url(#zone-${n})` }, water), ...lines, draw(tag, { ...outline, class: 'rim' }));
      this.#views.set(zone.id, { shape, water, high: bottom - top, ...this.#label(zone) });
      return shape;
    });
    this.#svg.replaceChildren(...shapes, this.#leads);
    this.#labels.replaceChildren(...[...this.#views.values()].map((view) => view.root));
    this.show(park);
  }

  /** @param {Zone} zone */
  #label(zone) {
    const [name, held] = [make('span', 'name'), make('output', 'held')];
    const [of, whole, level] = [make('span'), make('span', 'whole'), make('b', 'level')];
    const root = make('li', zone.field ? 'zone ground-zone' : 'zone', name, held, make('small', '', of, whole), level);
    root.dataset.id = zone.id;
    root.style.left = `${zone.x.toFixed(2)}rem`;
    root.style.top = `${zone.y.toFixed(2)}rem`;
    root.style.width = `${Math.max(8, zone.r * 2).toFixed(2)}rem`;
    return { root, name, held, of, whole, level };
  }

  /** Where the areas' words stand. @param {Zone[]} zones */
  labels(zones) {
    return zones.flatMap(({ x, y, r, field }) => {
      const [a, b] = field ? [5.9, 3.8] : [r * 0.98, r * 0.98];
      // The figure weighs twice.
      const [c, d] = [a * 0.8, 1.6];
      return [{ left: x - a, top: y - b, width: 2 * a, height: 2 * b }, { left: x - c, top: y - d, width: 2 * c, height: 2 * d }];
    });
  }

  /** @param {Post[]} posts @param {{id: string, rect: import('./map-plates.js').Rect}[]} plates */
  lead(posts, plates) {
    const lines = plates.flatMap(({ id, rect }) => {
      const post = posts.find((one) => one.id === id);
      if (!post) return [];
      const end = leadTo(post, rect);
      const far = Math.hypot(end.x - post.x, end.y - post.y);
      return far > 0.8 ? [draw('line', { x1: post.x, y1: post.y, x2: end.x, y2: end.y })] : [];
    });
    this.#leads.replaceChildren(...lines);
  }

  /** @param {Park} park */
  show(park) {
    for (const [id, view] of this.#views) {
      const area = park.areas.get(id);
      if (!area) continue;
      const { capacity, occupancy } = area;
      mark(view.root, 'level', area.level);
      if (view.shape.dataset.level !== area.level) view.shape.dataset.level = area.level;
      write(view.name, say(area.name));
      write(view.held, number(occupancy));
      write(view.of, capacity ? percent(occupancy, capacity) : t('people'));
      write(view.whole, capacity ? ` / ${number(capacity)}` : '');
      write(view.level, standing(area));
      const share = capacity ? Math.min(1, occupancy / capacity) : 0;
      const shift = `translateY(${((1 - share) * view.high).toFixed(2)}px)`;
      if (view.water.style.transform !== shift) view.water.style.transform = shift;
    }
  }
}

/** How full, and what is done about it. @param {Area} area */
function standing(area) {
  const words = area.level === 'normal' ? [] : [t(`level_${area.level}`)];
  if (area.override_until) words.push(t('override', { time: hourMinute(area.override_until) }));
  else if (area.actions?.includes('stop_sales')) words.push(t('stopSales'));
  return words.join(' · ');
}
