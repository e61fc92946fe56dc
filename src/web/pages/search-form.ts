/** The field in which somebody searches, above a table of mails. */
import { html } from 'hono/html';
import type { Html } from './layout.js';

export interface SearchFormParts {
  /** It is the address of the page that shows what is found. */
  readonly action: string;
  readonly search: string;
  readonly placeholder: string;
}

export const searchForm = ({ action, search, placeholder }: SearchFormParts): Html =>
  html`<form class="search" method="get" action="${action}" role="search">
    <input
      id="q"
      name="q"
      type="search"
      value="${search}"
      placeholder="${placeholder}"
      aria-label="Search"
      maxlength="1000"
      autocomplete="off"
      spellcheck="false"
    />
    <button class="main">Search</button>
  </form>`;
