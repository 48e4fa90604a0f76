import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../laptop-file.ts';

const platformRequirements = join(
  repositoryRoot,
  'containers',
  'trainers',
  'python',
  'requirements.in',
);

/** Name in an import → package. */
const packageNames: Readonly<Record<string, string>> = {
  sklearn: 'scikit-learn',
  PIL: 'pillow',
  cv2: 'opencv-python-headless',
  yaml: 'PyYAML',
  dateutil: 'python-dateutil',
};

/** Beside what every model has: versions that the trainers are tested with. */
const tested: Readonly<Record<string, readonly string[]>> = {
  // The build without CUDA is 6 MB instead of 430; macOS has only the other, which is without CUDA there.
  xgboost: [
    "xgboost-cpu==3.2.0 ; sys_platform != 'darwin'",
    "xgboost==3.2.0 ; sys_platform == 'darwin'",
  ],
  lightgbm: ['lightgbm==4.7.0'],
  catboost: ['catboost==1.2.10'],
  torch: ['torch==2.13.0'],
  joblib: ['joblib==1.6.0'],
  scipy: ['scipy==1.17.1'],
};

function pinsOfPlatform(): ReadonlyMap<string, string> {
  const lines = readFileSync(platformRequirements, 'utf8').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const pin = /^([A-Za-z0-9._-]+)==\S+/.exec(line.trim());
      return pin?.[1] === undefined ? [] : [[pin[1].toLowerCase(), pin[0]] as const];
    }),
  );
}

/**
 * requirements.txt of what some code imports.
 * @returns its text, and the packages whose version nobody knows
 */
export function requirementsOf(imports: readonly string[]) {
  const pins = pinsOfPlatform();
  const unknown: string[] = [];
  const lines = imports.flatMap((name) => {
    const packageName = packageNames[name] ?? name;
    const pin = pins.get(packageName.toLowerCase());
    if (pin !== undefined) return [pin];
    const known = tested[name];
    if (known) return known;
    unknown.push(packageName);
    return [
      `# ${packageName}==… : write the version that your notebook ran with (pip show ${packageName})`,
    ];
  });
  const text = ['# What train.py imports, each pinned with ==.', ...lines, ''].join('\n');
  return { text, unknown };
}
