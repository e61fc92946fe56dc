/** One thing that is wrong or unwise in a record. */
export interface Finding {
  /** error: receivers cannot use the record, or it does not do what it is for. warning: it works, but is unwise. */
  readonly severity: 'error' | 'warning';
  /** What it is and what to do, in a sentence without a full stop. May hold octets of the domain's. */
  readonly problem: string;
  /** The domain in whose record it stands; undefined for a record that has none. */
  readonly domain: string | undefined;
  /** As written; undefined when it is no single term. */
  readonly term: string | undefined;
  /** Where in the record a syntax error is; undefined for all else. */
  readonly at: number | undefined;
  /** The section of RFC 7208 that decides, such as "4.6.4"; undefined where only prudence does. */
  readonly section: string | undefined;
}

/** How many of each severity are kept: a record of 64 KB has room for thousands. */
const maxFindings = 50;

/** Collects the findings of one domain's record. */
export class Findings {
  readonly #list: Finding[];
  readonly #domain: string | undefined;

  /** `list` may be shared with others. */
  constructor(domain: string | undefined, list: Finding[] = []) {
    this.#domain = domain;
    this.#list = list;
  }

  get all(): readonly Finding[] {
    return this.#list;
  }

  error(problem: string, details: Details = {}): void {
    this.#add('error', problem, details);
  }

  warning(problem: string, details: Details = {}): void {
    this.#add('warning', problem, details);
  }

  #add(severity: Finding['severity'], problem: string, { term, at, section }: Details): void {
    if (this.#list.filter((other) => other.severity === severity).length >= maxFindings) return;
    // The same record may be included twice.
    if (this.#list.some((other) => other.problem === problem && other.domain === this.#domain && other.at === at))
      return;
    this.#list.push({ severity, problem, domain: this.#domain, term, at, section });
  }
}

type Details = Partial<Pick<Finding, 'term' | 'at' | 'section'>>;
