// One question before an act: what will happen, what it needs, and why. Gives what was written, or
// null where somebody thought better of it. Called by acts.js.

import { make, write } from '../lib/dom.js';
import { button } from './rows.js';
import { w } from './words.js';

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {'number' | 'text' | 'choice'} type
 * @property {string} value
 * @property {[string, string][]} [choices] value and text
 * @property {number} [min]
 * @property {number} [max]
 */
/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} what says plainly what will happen
 * @property {Field[]} [fields]
 * @property {string[]} [reasons] often given ones, to tap
 * @property {string} [reasonLabel]
 * @property {boolean} [reasonMayLack]
 * @property {string} send
 * @property {boolean} [danger]
 */

let made = 0;
const fresh = () => {
  made += 1;
  return `ask-${made}`;
};

/** @param {Field} field */
function input(field) {
  if (field.type === 'choice') {
    const select = make('select', '', ...(field.choices ?? []).map(([value, text]) => {
      const option = make('option', '', text);
      option.value = value;
      return option;
    }));
    select.value = field.value;
    return select;
  }
  const node = make('input');
  node.type = field.type === 'number' ? 'number' : 'text';
  node.value = field.value;
  if (field.type === 'number') {
    node.min = String(field.min ?? 1);
    node.max = String(field.max ?? 100);
    node.inputMode = 'numeric';
  } else {
    node.maxLength = field.max ?? 200;
  }
  node.required = true;
  return node;
}

/** @param {string} label @param {HTMLElement} control */
function field(label, control) {
  control.id = fresh();
  const name = make('label', '', label);
  name.htmlFor = control.id;
  return make('div', 'field', name, control);
}

/** @param {Question} question @returns {Promise<Record<string, string> | null>} */
export function askFor(question) {
  const { title, what, fields = [], reasons = [], reasonMayLack = false, danger = false } = question;
  const dialog = make('dialog', 'ask');
  const heading = make('h2', '', title);
  heading.id = fresh();
  dialog.setAttribute('aria-labelledby', heading.id);
  const explain = make('p', 'explain', what);
  const controls = fields.map((one) => ({ name: one.name, node: input(one), label: one.label }));
  const reason = make('input');
  reason.maxLength = 500;
  reason.autocomplete = 'off';
  reason.name = 'reason';
  reason.required = !reasonMayLack;
  const wrong = make('p', 'wrong');
  wrong.setAttribute('role', 'alert');
  const often = make('p', 'often', ...reasons.map((text) => button('plain tap', () => {
    reason.value = text;
    write(wrong, '');
    reason.focus();
  }, text)));
  const go = make('button', danger ? 'danger' : '', question.send);
  go.type = 'submit';
  const form = make(
    'form', '', explain,
    ...controls.map(({ node, label }) => field(label, node)),
    field(question.reasonLabel ?? w('reason'), reason), often, wrong,
    make('div', 'actions', button('plain', () => dialog.close(), w('cancel')), go),
  );
  form.noValidate = true;
  dialog.append(heading, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    /** @type {Record<string, string> | null} */
    let given = null;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (reason.required && !reason.value.trim()) {
        write(wrong, w('reasonMissing'));
        reason.setAttribute('aria-invalid', 'true');
        reason.focus();
        return;
      }
      const bad = controls.find(({ node }) => !node.reportValidity());
      if (bad) return;
      given = { reason: reason.value.trim() };
      for (const { name, node } of controls) given[name] = node.value.trim();
      dialog.close();
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(given);
    });
    dialog.showModal();
    (fields.some((one) => one.type === 'text') ? controls[0].node : reason).focus();
  });
}
