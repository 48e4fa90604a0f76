import { resolve } from 'node:path';
import { screenshot } from '../screenshot.ts';
import { withProgress } from '../terminal.ts';
import { model, type Scene, title } from './scene.ts';

/** Step 9: the dashboard as a picture; null where this machine has no browser to take it. */
export async function takePicture(scene: Scene, file: string): Promise<string | null> {
  title(scene, '9. The dashboard');
  const { laptop } = scene.deployment;
  if (!laptop) return null;
  const page = new URL(`?model=${model}`, laptop.dashboardUrl);
  const picture = await withProgress(scene, 'taking its picture', () =>
    screenshot(page.href, resolve(file)),
  );
  scene.note(
    picture === undefined
      ? '  no Chromium or Chrome was found to take its picture; `slipway demo --keep` leaves the page open'
      : `  ${picture}`,
  );
  return picture ?? null;
}
