/** The field in which somebody searches, above what is found. */
import { html } from 'hono/html';
import type { Html } from './layout.js';

export interface SearchFormParts {
  /** It is the address of the page that shows what is found. */
  readonly action: string;
  readonly search: string;
  readonly placeholder: string;
  /** For those who do not see it; "Search" by default. */
  readonly label?: string;
  /** UTF-16 units; 1000 by default. */
  readonly maxLength?: number;
}

export const searchForm = ({
  action,
  search,
  placeholder,
  label = 'Search',
  maxLength = 1000,
}: SearchFormParts): Html =>
  html`<form class="search" method="get" action="${action}" role="search">
    <input
      id="q"
      name="q"
      type="search"
      value="${search}"
      placeholder="${placeholder}"
      aria-label="${label}"
      maxlength="${maxLength}"
      autocomplete="off"
      spellcheck="false"
    />
    <button class="main">Search</button>
  </form>`;
