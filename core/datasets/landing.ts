import type { DataSection } from '../model/data-section.ts';

interface Landed {
  readonly key: string;
  readonly modifiedAt: Date;
}

export const landingPrefix = (model: string): string => `landing/${model}/`;

/**
 * What of landing a snapshot consists of, by key: in mode append every file, in mode replace the newest
 * alone. A key that ends in a slash is the folder that a console shows, not a file.
 */
export function snapshotContent<File extends Landed>(
  landed: readonly File[],
  mode: DataSection['mode'],
): File[] {
  const files = landed
    .filter(({ key }) => !key.endsWith('/'))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  if (mode === 'append') return files;
  const newest = files.reduce<File | undefined>(
    (latest, file) => (latest && latest.modifiedAt > file.modifiedAt ? latest : file),
    undefined,
  );
  return newest ? [newest] : [];
}
