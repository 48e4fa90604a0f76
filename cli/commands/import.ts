import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { hashFile, type S3Objects } from '../../adapters/s3-objects.ts';
import { describeIssues } from '../../core/parse-document.ts';
import {
  type ImportStatements,
  importPrefix,
  importRefusal,
  type LineageAnswer,
  largestImportBytes,
  lineageAnswers,
  ModelImport,
} from '../../core/registry/declared-lineage.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes, usageError } from '../command-error.ts';
import { reportRun } from '../report-run.ts';
import { askForRun, person } from '../runs.ts';
import { type Terminal, withProgress } from '../terminal.ts';
import { warnOfUndeployed } from '../undeployed.ts';

interface Options extends Common {
  readonly wait: boolean;
  readonly reason?: string;
  readonly trainedBy?: string;
  readonly declare: ImportStatements;
}

const isAnswer = (name: string): name is LineageAnswer =>
  lineageAnswers.some((answer) => answer === name);

/** `<answer>=<text>`, as often as there are answers. */
export function declaration(text: string, before: ImportStatements): ImportStatements {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(at, 0));
  const statement = text.slice(at + 1).trim();
  if (isAnswer(name) && statement !== '') return { ...before, [name]: statement };
  throw new InvalidArgumentError(
    `write <answer>=<text>, where the answer is one of ${lineageAnswers.join(', ')}`,
  );
}

/**
 * What is asked of a file before it goes anywhere. It is not opened: what is in it is the trainer's to say.
 * @throws CommandError naming what is wrong, what was received and the fix.
 */
export async function importOf(
  model: string,
  file: string,
  {
    by,
    declare,
    reason,
    trainedBy,
  }: Pick<Options, 'declare' | 'reason' | 'trainedBy'> & {
    readonly by: string;
  },
): Promise<ModelImport> {
  if (!existsSync(file)) throw usageError(`there is no file ${file}`);
  const { size } = statSync(file);
  if (!statSync(file).isFile()) throw usageError(`${file} is not a file; name the model's file`);
  if (size === 0) throw usageError(`${file} is empty; save the model again`);
  if (size > largestImportBytes) {
    throw usageError(
      `${file} has ${(size / 1e6).toFixed(0)} MB, and ${largestImportBytes / 1e6} MB at most can be served; make the model smaller, or keep data out of its file`,
    );
  }
  const { bytes, sha256 } = await hashFile(file);
  const name = basename(file);
  const asked = {
    key: `${importPrefix(model, sha256)}${name}`,
    ...{ file: name, sha256, bytes, by, declared: declare },
    ...(reason !== undefined && { reason }),
    ...(trainedBy !== undefined && { trainedBy }),
  };
  const parsed = ModelImport.safeParse(asked);
  if (parsed.success) return parsed.data;
  throw usageError(describeIssues(parsed.error, asked).join('\n'));
}

/** Uploads the file to where its hash says that it belongs; what is there already is not sent again. */
async function upload(
  artifacts: S3Objects,
  path: string,
  { bytes, file, key, sha256 }: ModelImport,
  terminal: Pick<Terminal, 'note'>,
): Promise<void> {
  if ((await artifacts.find(key))?.bytes === bytes) return;
  const sent = await withProgress(terminal, `uploading ${file}`, () => artifacts.upload(path, key));
  if (sent.sha256 === sha256) return;
  throw new CommandError(`${path} changed while it was uploaded; import it again`);
}

export const importCommand = (): Command =>
  deployedCommand({
    usage: 'import <model> <file>',
    description:
      'make a model that was trained elsewhere a version: scikit-learn (.pkl, .joblib), XGBoost (.json, .ubj), LightGBM (.txt), CatBoost (.cbm), PyTorch (.pt), ONNX (.onnx); its lineage is what you declare, the rest is unknown',
    examples: [
      'slipway import churn model.joblib --wait',
      "slipway import churn model.onnx --trained-by ada --declare 'data=customers of 2025' --declare 'code=git 3f2a91c'",
    ],
  })
    .option('--reason <text>', 'why it is imported')
    .option('--trained-by <who>', 'who trained it')
    .option(
      '--declare <answer=text>',
      `what you know of its ${lineageAnswers.join(', ')}; once for each`,
      declaration,
      {},
    )
    .option('--wait', 'follow the run to its end', false)
    .action((name: string, file: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name);
        const refusal = importRefusal(deployment.environment, model.lineage);
        if (refusal !== undefined) {
          throw new CommandError(`nothing was imported: ${refusal}`, exitCodes.rejected);
        }
        const asked = await importOf(model.name, file, { ...options, by: person() });
        const undeployed = await warnOfUndeployed(deployment, model.name, terminal);
        await upload(deployment.artifacts, file, asked, terminal);
        const answer = await askForRun(model, { kind: 'import', import: asked });
        if (answer.outcome === 'busy') {
          throw new CommandError(
            `run ${answer.runId} of ${model.name} is going on; import the file again when it has ended (\`slipway status ${model.name}\`)`,
          );
        }
        const reporting = { wait: options.wait, terminal, undeployed };
        const code = await reportRun(deployment, answer, reporting);
        if (options.wait && code === exitCodes.done) {
          terminal.note(
            `What its notebook predicted can be held against it: \`slipway parity ${model.name} <predictions.csv>\``,
          );
        }
        return code;
      }),
    );
