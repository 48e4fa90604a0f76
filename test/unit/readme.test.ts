// What the README says there is, is there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { program } from '../../cli/program.ts';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** A line that is broken within a table's cell or a paragraph is one. */
const flowing = readme.replaceAll('\n', ' ');

/** Files of tests in backticks, each with the title that follows it in quotes. */
const citations = [...flowing.matchAll(/`((?:test|containers|clients)\/[^`]+)`\s+"([^"]+)"/g)].map(
  ([, file = '', title = '']): [string, string] => [file, title],
);

describe('the README', () => {
  it('names a test for each of the ten mistakes', () => {
    const [, table = ''] = readme.split('## Ten expensive mistakes');
    const rows = table.split('\n').filter((line) => /^\| (?!mistake|---)/.test(line));
    expect(rows.length).toBeGreaterThanOrEqual(10);
    for (const row of rows.slice(0, 10))
      expect(row).toMatch(/`(test|containers|clients)\/[^`]+` "/);
  });

  it.each(citations)('cites a test that is there: %s "%s"', (file, title) => {
    const path = join(root, file);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain(title);
  });

  it('names commands that there are', () => {
    const known = program().commands.map((command) => command.name());
    const named = [...readme.matchAll(/\bnpx slipway ([a-z]+)/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  it('leads to files that are there', () => {
    const links = [...readme.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)].map(([, file = '']) => file);
    expect(links.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
