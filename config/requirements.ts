/** What is wrong with a line, and how to mend it; undefined where nothing is. */
function problemOf(line: string): string | undefined {
  if (line.includes('--hash')) {
    return 'hashes cannot be checked beside the packages of the platform, which have none; remove them';
  }
  if (/^(-r|-c|-e|--requirement|--constraint|--editable)\b/.test(line)) {
    return 'name the packages in this file itself, each pinned with ==';
  }
  // An option of pip, as in --extra-index-url, or the address of one file.
  if (line.startsWith('--') || / @ \S/.test(line)) return undefined;
  if (/^[A-Za-z0-9._-]+(\[[^\]]*\])?\s*==\s*[^\s;,*]+\s*(;.*)?$/.test(line)) return undefined;
  return 'pin it with ==, as in pandas==2.3.3, so that every training uses the same';
}

/** The lines that say something, without comments. A line may be continued by a backslash. */
const tellingLines = (text: string): { line: string; number: number }[] => {
  const found: { line: string; number: number }[] = [];
  let begun = '';
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const part = raw.replace(/(^|\s)#.*$/, '').trim();
    begun = `${begun} ${part.replace(/\\$/, '')}`.trim();
    if (part.endsWith('\\')) continue;
    if (begun !== '') found.push({ line: begun, number: i + 1 });
    begun = '';
  }
  if (begun !== '') found.push({ line: begun, number: text.split('\n').length });
  return found;
};

/** As PyPI compares names. */
const packageOf = (line: string): string | undefined =>
  /^([A-Za-z0-9._-]+)\s*(\[|==|@|$| @)/
    .exec(line)?.[1]
    ?.toLowerCase()
    .replace(/[-_.]+/g, '-');

export interface Requirements {
  /** What pip is given, one requirement a line. */
  readonly lines: readonly string[];
  /** Each with the number of its line and the fix. */
  readonly problems: readonly string[];
}

/**
 * The platform's packages and the model's own. Where both name one, the model's version counts: its train.py
 * was written for that.
 */
export function mergeRequirements(platform: string, own: string): Requirements {
  const asked = tellingLines(own);
  const problems = asked.flatMap(({ line, number }) => {
    const problem = problemOf(line);
    return problem === undefined ? [] : [`line ${number}: ${problem} (received ${line})`];
  });
  const named = new Set(asked.map(({ line }) => packageOf(line)));
  const ours = tellingLines(platform)
    .map(({ line }) => line)
    .filter((line) => !named.has(packageOf(line)));
  return { lines: [...ours, ...asked.map(({ line }) => line)], problems };
}
