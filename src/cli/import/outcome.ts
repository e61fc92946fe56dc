/** What a step of a plan is carried out with, and what it comes to. */
import type { Settings } from '../../settings/settings.js';
import type { ImportPlan, ImportStep } from './plan.js';

export interface Outcome {
  /** `left`: something else is there, which stays; `why` says what. */
  readonly state: 'made' | 'to do' | 'there' | 'left';
  /** What a shell would say, or the line of a file. */
  readonly words: string;
  readonly from: string;
  readonly why?: string;
}

export interface CarryOutTask {
  readonly settings: Settings;
  /** The file of settings that is written to. */
  readonly file: string;
  readonly isApplied: boolean;
  /** `haraka` */
  readonly source: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type StepOf<K extends ImportStep['kind']> = Extract<ImportStep, { readonly kind: K }>;

export const stepsOf = <K extends ImportStep['kind']>({ steps }: ImportPlan, kind: K): StepOf<K>[] =>
  steps.filter((step): step is StepOf<K> => step.kind === kind);
