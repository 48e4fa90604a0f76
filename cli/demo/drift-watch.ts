import { newestDriftReport } from '../../adapters/s3-drift-reports.ts';
import type { DriftReport } from '../../core/monitoring/drift-report.ts';
import { waitFor } from './alarms.ts';
import { model, type Scene } from './scene.ts';

/** Waits for the first report of the scheduled check that says what is asked of it. */
export function reportThat(
  scene: Scene,
  what: string,
  holds: (report: DriftReport) => boolean,
): Promise<DriftReport> {
  return waitFor<DriftReport>(scene, {
    what,
    async ask() {
      const report = await newestDriftReport(scene.deployment.data, model, new Date());
      if (!report) return { meanwhile: 'there is no report yet' };
      if (holds(report)) return { found: report };
      const { checkedAt, rows, status, quality } = report;
      return {
        meanwhile: `at ${checkedAt} the check saw ${rows} rows (${status}), ${quality.labels} of them with labels (${quality.status})`,
      };
    },
  });
}

/** Feature → its population stability index; null where it was not judged. */
export const psiOf = ({ features, prediction }: DriftReport): Record<string, number | null> =>
  Object.fromEntries(
    [...features, { name: '(prediction)', ...prediction }].map(({ name, shape }) => [
      name,
      shape?.psi ?? null,
    ]),
  );
