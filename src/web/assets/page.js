/**
 * The page's script: keys, selecting, the way back to the list, new mail, long counts. Everything but new mail works
 * without it. It puts no text of a mail into markup: rows come escaped from the server.
 */
const rows = () => [...document.querySelectorAll('#rows > li')];
const one = (selector) => document.querySelector(selector);
const linkOf = (row) => row?.querySelector('a');
let at = -1;

/** The row at hand is the one that has the focus, so that whoever hears the page knows where it is, too. */
function goTo(index) {
  const all = rows();
  const row = all[Math.max(0, Math.min(all.length - 1, index))];
  linkOf(row)?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: 'nearest' });
}

/** The list that this tab showed last: its address, its mails, the one at hand. */
const list = JSON.parse(sessionStorage.getItem('list') ?? '{"address":"/","mails":[],"at":-1}');
const keepList = () => sessionStorage.setItem('list', JSON.stringify(list));

/** Not when the page is left: the next one may be there before. */
function rememberList() {
  Object.assign(list, {
    address: location.pathname + location.search,
    mails: rows().map((row) => linkOf(row).pathname),
    at,
  });
  keepList();
}

document.addEventListener('focusin', (event) => {
  const row = event.target.closest('#rows > li');
  if (!row) return;
  one('#rows > .at')?.classList.remove('at');
  row.classList.add('at');
  at = rows().indexOf(row);
  rememberList();
});

if (one('#rows')) {
  if (list.address === location.pathname + location.search && list.at >= 0) {
    const same = rows().findIndex((row) => linkOf(row).pathname === list.mails[list.at]);
    goTo(same < 0 ? list.at : same);
  }
  rememberList();
} else if (one('[data-key="u"]')) {
  one('[data-key="u"]').href = list.address;
  const remove = one('[data-key="#"]');
  if (remove) remove.value = list.address;
}

/** From an open mail to another of its list. */
function turn(by) {
  const next = list.mails.indexOf(location.pathname) + by;
  if (next === by - 1 || !list.mails[next]) return;
  list.at = next;
  keepList();
  location.assign(list.mails[next]);
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
  j: () => (one('#rows') ? goTo(at + 1) : turn(1)),
  k: () => (one('#rows') ? goTo(at - 1) : turn(-1)),
  x: () => rows()[at]?.querySelector('input')?.click(),
  o: () => linkOf(rows()[at])?.click(),
  r: () => press('r'),
  '#': () => press('#'),
  u: () => one('[data-key="u"]')?.click(),
  '/': () => one('#q')?.focus(),
  '?': () => one('#help')?.showModal(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isText = event.target instanceof HTMLInputElement && event.target.type !== 'checkbox';
  if (isText || event.target instanceof HTMLTextAreaElement) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

const help = one('#keys');
if (help) {
  help.hidden = false;
  help.addEventListener('click', keys['?']);
}

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
  const box = one('#rows');
  if (!box || document.hidden || (box.dataset.first === '' && rows().length > 0)) return;
  const asked = new URLSearchParams({ q: box.dataset.search, until: box.dataset.first });
  const answer = await fetch(`${box.dataset.part ?? '/part/new'}?${asked}`);
  if (answer.status === 401) location.reload();
  if (!answer.ok) return;
  const { count, first, rows: markup } = await answer.json();
  if (count === 0) return;
  const fresh = one('#fresh');
  if (window.scrollY < 200 && at < 0 && !one('#rows input:checked')) {
    box.insertAdjacentHTML('afterbegin', markup);
    box.dataset.first = first;
    one('.empty')?.remove();
    for (const old of rows().slice(200)) old.remove();
    rememberList();
  } else {
    fresh.textContent = count === 50 ? '50 or more new mails' : `${count} new ${count === 1 ? 'mail' : 'mails'}`;
    fresh.hidden = false;
  }
}

if (one('#rows')) setInterval(() => lookForNew().catch(() => undefined), one('#rows').dataset.part ? 2000 : 3000);

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
function logIn() {
  const token = /^#token=([0-9a-z]+)$/.exec(location.hash)?.[1];
  if (!token || !one('#login')) return;
  history.replaceState(null, '', location.pathname + location.search);
  one('#token').value = token;
  one('#login').submit();
}

logIn();
/** In a tab that shows the log-in page already, opening the link changes nothing but what stands behind the `#`. */
addEventListener('hashchange', logIn);
