// What a process and all that it started have cost: from /proc on Linux, from ps elsewhere.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

/** Ticks of /proc/<pid>/stat are 10 ms on every Linux that Node runs on (USER_HZ = 100). */
const tickMs = 10;

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}

function linuxProcess(pid: number): Seen | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The name, in brackets, may hold spaces and brackets of its own.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 14) return undefined;
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  return { pid, parent: parent ?? 0, cpuMs: ((user ?? 0) + (system ?? 0)) * tickMs };
}

const linuxProcesses = (): Seen[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => linuxProcess(Number(name)) ?? []);

/** `[[dd-]hh:]mm:ss[.cc]` */
function psTimeMs(text: string): number {
  const [rest = '', days = '0'] = text.split('-').reverse();
  const parts = rest.split(':').map(Number);
  const seconds = parts.reduce((sum, part) => sum * 60 + part, 0);
  return (Number(days) * 86_400 + seconds) * 1_000;
}

function psProcesses(): Seen[] {
  const listed = execFileSync('ps', ['-axo', 'pid=,ppid=,time='], { encoding: 'utf8' });
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, time = ''] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), cpuMs: psTimeMs(time) };
    });
}

function tree(root: number): Seen[] {
  const all = process.platform === 'linux' ? linuxProcesses() : psProcesses();
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

function memoryKb(pid: number): number {
  if (process.platform !== 'linux') {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }));
  }
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

export const processTree = (root: number): number[] => tree(root).map(({ pid }) => pid);

export const cpuMsOf = (root: number): number =>
  tree(root).reduce((sum, { cpuMs }) => sum + cpuMs, 0);

export const memoryMbOf = (root: number): number =>
  processTree(root).reduce((sum, pid) => sum + memoryKb(pid), 0) / 1024;
