/**
 * The page's script: keys, selecting, new mail, long counts. Everything but new mail works without it. It puts no text of a
 * mail into markup: rows come escaped from the server.
 */
const rows = () => [...document.querySelectorAll('#rows > li')];
const one = (selector) => document.querySelector(selector);
let at = -1;

function goTo(index) {
  const all = rows();
  if (all.length === 0) return;
  all[at]?.classList.remove('at');
  at = Math.max(0, Math.min(all.length - 1, index));
  all[at].classList.add('at');
  all[at].scrollIntoView({ block: 'nearest' });
}

function countChosen() {
  const chosen = document.querySelectorAll('#rows input:checked').length;
  const text = one('#chosen');
  if (text) text.textContent = chosen === 0 ? 'Select' : `${chosen} selected`;
}

/** A button of the page; in a list it acts on the row at hand where nothing is selected. */
function press(key) {
  const button = one(`[data-key="${key}"]`);
  if (!button) return;
  const box = rows()[at]?.querySelector('input');
  if (box && !one('#rows input:checked')) box.checked = true;
  countChosen();
  button.click();
}

const keys = {
  j: () => goTo(at + 1),
  k: () => goTo(at - 1),
  x: () => rows()[at]?.querySelector('input').click(),
  o: () => rows()[at]?.querySelector('a').click(),
  Enter: () => rows()[at]?.querySelector('a').click(),
  r: () => press('r'),
  '#': () => press('#'),
  u: () => one('[data-key="u"]')?.click(),
  '/': () => one('#q')?.focus(),
  '?': () => one('#help')?.showModal(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLInputElement && event.target.type !== 'checkbox') {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const isOnControl = event.target instanceof Element && event.target.closest('a, button, summary, input');
  if (event.key === 'Enter' && isOnControl) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-confirm]') : null;
  if (button && !confirm(button.dataset.confirm)) event.preventDefault();
});

document.addEventListener('change', (event) => {
  if (event.target === one('#all'))
    for (const box of document.querySelectorAll('#rows input')) box.checked = event.target.checked;
  countChosen();
});

/** New mail comes in on top; while something is selected or the reader is further down, only a link says so. */
async function lookForNew() {
  const list = one('#rows');
  if (!list || document.hidden || (list.dataset.first === '' && rows().length > 0)) return;
  const asked = new URLSearchParams({ q: list.dataset.search, until: list.dataset.first });
  const answer = await fetch(`/part/new?${asked}`);
  if (answer.status === 401) location.reload();
  if (!answer.ok) return;
  const { count, first, rows: markup } = await answer.json();
  if (count === 0) return;
  const fresh = one('#fresh');
  if (window.scrollY < 200 && at < 0 && !one('#rows input:checked')) {
    list.insertAdjacentHTML('afterbegin', markup);
    list.dataset.first = first;
    one('.empty')?.remove();
    for (const old of rows().slice(200)) old.remove();
  } else {
    fresh.textContent = count === 50 ? '50 or more new mails' : `${count} new ${count === 1 ? 'mail' : 'mails'}`;
    fresh.hidden = false;
  }
}

if (one('#rows')) setInterval(() => lookForNew().catch(() => undefined), 3000);

/** A search that needs more time than one page may take goes on by itself until it has found something. */
const next = one('#next[data-goes-on]');
if (next && rows().length === 0) setTimeout(() => location.replace(next.href), 50);

const counting = one('#counting');
if (counting) {
  fetch(counting.dataset.part)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
    .then((markup) => {
      one('main').innerHTML = markup;
    })
    .catch((error) => {
      counting.textContent = `It cannot be counted: ${error.message}`;
    });
}

/** The link that a trial prints carries its token behind the `#`. */
const token = /^#token=([0-9a-z]+)$/.exec(location.hash)?.[1];
if (token && one('#login')) {
  history.replaceState(null, '', '/login');
  one('#token').value = token;
  one('#login').submit();
}
