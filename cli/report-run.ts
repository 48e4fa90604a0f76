import { type Run, sealedMetrics } from '../core/registry/records.ts';
import { isUserFailure } from '../core/training/user-failure.ts';
import { type ExitCode, exitCodes } from './command-error.ts';
import type { Deployment } from './deployment.ts';
import { approvalAdvice } from './describe-ledger.ts';
import { metricLine, nextCommands } from './describe-version.ts';
import { followRun } from './follow-run.ts';
import { describeQuarantined, readQuarantined } from './quarantined-files.ts';
import {
  describeAnswer,
  describeRun,
  exitCodeOf,
  failedStatuses,
  modelOfRun,
  type RunAnswer,
} from './runs.ts';
import type { Terminal } from './terminal.ts';
import type { Undeployed } from './undeployed.ts';

/** The same code fails in the same way: it is mended, not tried again. */
const failedAdvice = ({ model, reasons, runId }: Run): string =>
  isUserFailure(reasons)
    ? `  mend models/${model}/, try it here with \`slipway train ${model} --sample 1000\`, then \`slipway deploy ${model}\` and \`slipway train ${model} --wait\``
    : `  \`slipway logs ${runId}\` shows why; \`slipway retry ${runId}\` goes on there`;

/** What to do about a run that failed, or that waits for a person. */
const adviceFor = (run: Run): string[] =>
  failedStatuses.has(run.status)
    ? [failedAdvice(run)]
    : run.outcome === 'awaiting_approval' && run.version !== undefined
      ? approvalAdvice(run.model, run.version)
      : [];

/** How good a version is that went live, and what to do with it. */
async function liveLines({ environment, registry }: Deployment, run: Run): Promise<string[]> {
  if (run.outcome !== 'live' || run.version === undefined) return [];
  const version = await registry.getVersion(run.model, run.version);
  return [...metricLine(sealedMetrics(version)), ...nextCommands(run.model, environment)];
}

interface Reporting {
  readonly wait: boolean;
  readonly terminal: Terminal;
  /** What the run does not take in. */
  readonly undeployed: Undeployed | undefined;
}

/** Says what became of a request for a run, and follows the run if asked to. */
export async function reportRun(
  deployment: Deployment,
  answer: RunAnswer,
  { wait, terminal, undeployed }: Reporting,
): Promise<ExitCode> {
  if (!wait) {
    terminal.result({ ...answer, undeployed: undeployed ?? null }, [
      describeAnswer(answer),
      `Follow it with \`slipway status ${modelOfRun(answer.runId)}\`.`,
    ]);
    return exitCodes.done;
  }
  terminal.note(describeAnswer(answer));
  const { quarantineReports, run, seconds } = await followRun(deployment, answer.runId, terminal);
  const quarantine = await readQuarantined(deployment, quarantineReports);
  terminal.result({ ...run, seconds, quarantine, undeployed: undeployed ?? null }, [
    ...describeRun(run),
    ...adviceFor(run),
    ...describeQuarantined(quarantine),
    // Most likely why there was nothing new.
    ...(undeployed && run.outcome === 'unchanged' ? [`  ${undeployed.text}`] : []),
    ...(await liveLines(deployment, run)),
  ]);
  return exitCodeOf(run);
}
