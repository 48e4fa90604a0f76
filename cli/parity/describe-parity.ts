import type { LeftOut } from '../../core/inference/parity/match-rows.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { toleranceText } from '../../core/inference/parity/parity-tolerance.ts';
import { columns, styled } from '../terminal.ts';
import type { FoundParity } from './compare-with-notebook.ts';

const shownKeys = 5;
const named = (keys: readonly string[]): string =>
  `${keys.slice(0, shownKeys).join(', ')}${keys.length > shownKeys ? ', …' : ''}`;
const count = (n: number): string => n.toLocaleString('en-US');
/** All that 32 bits hold; what the notebook has is shown as its file has it. */
const answer = (value: number): string => String(Number(value.toPrecision(9)));
const number = (value: number): string => String(Number(value.toPrecision(6)));

function leftOutLines({ repeated, rowsWithoutKey, unmatched }: LeftOut, file: string): string[] {
  return [
    ...(repeated.length > 0
      ? [`${count(repeated.length)} keys occur more than once in ${file}: ${named(repeated)}`]
      : []),
    ...(rowsWithoutKey > 0 ? [`${count(rowsWithoutKey)} rows of ${file} have no key`] : []),
    ...(unmatched.length > 0
      ? [
          `${count(unmatched.length)} keys of ${file} are in no row of the other file: ${named(unmatched)}`,
        ]
      : []),
  ];
}

function leftOut({ notebook }: FoundParity): string[] {
  const { join, rowsWithoutPrediction } = notebook;
  const data = join && { ...join.data, unmatched: [] };
  const lines = [
    ...(rowsWithoutPrediction > 0
      ? [`${count(rowsWithoutPrediction)} rows have no number under ${notebook.column}`]
      : []),
    ...(join ? leftOutLines(join.predictions, 'the predictions') : []),
    ...(data ? leftOutLines(data, 'the data') : []),
  ];
  // Rows that the notebook did not predict are many where the data is all there is.
  const more = join?.data.unmatched.length ?? 0;
  return [
    ...lines.map((line) => `  left out   ${line}`),
    ...(more > 0
      ? [`             ${count(more)} rows of the data were not predicted by the notebook`]
      : []),
  ];
}

const onlyRounded = ({ maximumDifference, worst }: FoundParity['comparison']): string =>
  maximumDifference > 0 && worst.length === 0 ? ': answers are rounded to 32 bits' : '';

function measured({ check, comparison, metricName }: FoundParity): string[] {
  const { answeredBy, flips, kind, rows, threshold, version } = check;
  const where = answeredBy === 'endpoint' ? 'by the endpoint' : 'on this machine, by its artifacts';
  return [
    `  rows       ${count(rows.compared)} compared, answered ${where}`,
    `  largest    |Δ| ${number(check.maximumDifference)}, relative ${number(check.maximumRelativeDifference)}${onlyRounded(comparison)}`,
    `  tolerance  ${toleranceText(kind)} (${kind})`,
    ...(flips === null
      ? []
      : [
          `  flips      ${count(flips)} of ${count(rows.compared)} labels at threshold ${threshold}`,
        ]),
    ...(comparison.metric
      ? [
          `  ${metricName.padEnd(10)} ${number(comparison.metric.expected)} in the notebook, ${number(comparison.metric.actual)} by version ${version}`,
        ]
      : []),
  ];
}

function worst({ check, comparison, notebook }: FoundParity): string[] {
  if (comparison.worst.length === 0) return [];
  return [
    '',
    ...columns([
      [`  ${notebook.key ?? 'row'}`, 'notebook', `version ${check.version}`, 'difference'],
      ...comparison.worst.map((row) => [
        `  ${row.key}`,
        String(row.expected),
        answer(row.actual),
        number(row.difference),
      ]),
    ]),
  ];
}

function refusals({ refused }: FoundParity): string[] {
  if (refused.length === 0) return [];
  return [
    '',
    ...refused.slice(0, shownKeys).map(({ key, problem }) => `  refused    ${key}: ${problem}`),
    ...(refused.length > shownKeys
      ? [`             and ${count(refused.length - shownKeys)} more`]
      : []),
  ];
}

function verdictLines({ check, explanation, wrongInput }: FoundParity): string[] {
  const { model, verdict, version } = check;
  if (wrongInput !== undefined) {
    return [
      `${styled('yellow', 'NOT RECORDED')}: the file says nothing about version ${version}`,
      `  ${wrongInput}`,
    ];
  }
  const word = verdict === 'equal' ? styled('green', 'EQUAL') : styled('red', 'DIFFERENT');
  const why =
    verdict === 'equal'
      ? `version ${version} of ${model} predicts what the notebook predicted`
      : check.reasons.join('; ');
  return [`${word}: ${why}`, ...(explanation === undefined ? [] : [`  ${explanation}`])];
}

/** What was compared, how far apart it is, and the verdict. */
export function describeParity(found: FoundParity): string[] {
  const { check, notebook } = found;
  const { model, predictions, version } = check;
  const by = notebook.key === null ? 'rows by their place' : `rows by ${notebook.key}`;
  return [
    `${styled('bold', `${model} version ${version}`)} against ${predictions.name}: its column ${notebook.column}, ${by}`,
    ...measured(found),
    ...leftOut(found),
    ...worst(found),
    ...refusals(found),
    '',
    ...verdictLines(found),
  ];
}

/** A version's newest check in a few words; one that has none says so. */
export function parityInShort(check: ParityCheck | undefined): string {
  if (!check) return 'no parity check yet';
  const { different, refused, compared } = check.rows;
  if (check.verdict === 'equal') return `equal to the notebook on ${count(compared)} rows`;
  // A quantised model may be different by its metric alone.
  return different + refused === 0
    ? `differs from the notebook: ${check.reasons.join('; ')}`
    : `differs from the notebook on ${count(different + refused)} of ${count(compared + refused)} rows`;
}

/** The same as a line about a model's version, with how to make a check. */
export function parityLine(model: string, check: ParityCheck | undefined): string {
  const short = parityInShort(check);
  return check
    ? `parity: ${short} (${check.checkedAt}, by ${check.by}, ${check.predictions.name})`
    : `parity: ${short}; \`slipway parity ${model} <predictions.csv>\` compares it with its notebook`;
}
