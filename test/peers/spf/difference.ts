/**
 * What explains a difference between postern and a peer: the classes, each a section of test/spf/differences.md, which
 * says what the RFC has to say of it and who is right.
 *
 * Most classes are models of the peer: `seen` makes the case that postern judges just as the peer judged the original
 * one. Where a habit cannot be had by rewriting the case, `predicts` says whether it leads to what the peer said.
 */
import type { SpfCase } from '../../support/spf-cases.js';
import { Facts, judgeWithPostern } from './facts.js';
import type { Judgement } from './peer.js';

export interface DifferenceClass {
  /** Its heading in differences.md. */
  readonly name: string;
  /** The case as the peer understands it; the same object when the class has no part in it. */
  readonly seen?: (spfCase: SpfCase) => SpfCase;
  /** Is the judgement what the habit leads to? */
  readonly predicts?: (facts: Facts) => boolean;
}

/** The names of the classes that explain a difference together; undefined when none do. */
export function explain(classes: readonly DifferenceClass[], facts: Facts): readonly string[] | undefined {
  const models = classes.flatMap(({ name, seen }) => (seen && seen(facts.case) !== facts.case ? [{ name, seen }] : []));
  for (const { name, seen } of models) {
    if (isSame(judgeWithPostern(seen(facts.case)), facts.theirs)) return [name];
  }
  const seen = models.reduce((one, model) => model.seen(one), facts.case);
  const outcome = judgeWithPostern(seen);
  const used = models.map(({ name }) => name);
  if (isSame(outcome, facts.theirs)) return used;
  const predicting = classes.find(({ predicts }) => predicts?.(facts));
  if (predicting) return [predicting.name];
  const further = new Facts(seen, outcome, facts.theirs);
  const predictingFurther = used.length === 0 ? undefined : classes.find(({ predicts }) => predicts?.(further));
  return predictingFurther && [...used, predictingFurther.name];
}

/** The same result and explanation; hexadecimal digits and domains may be written in either case. */
export function isSame(ours: Judgement, theirs: Judgement): boolean {
  if (ours.result !== theirs.result) return false;
  return ours.result !== 'fail' || ours.explanation?.toLowerCase() === theirs.explanation?.toLowerCase();
}
