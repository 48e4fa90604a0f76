import { ObjectNotFoundError } from '../adapters/object-errors.ts';
import { hashOf } from '../core/canonical-json.ts';
import { SnapshotManifest, snapshotId } from '../core/datasets/snapshot.ts';
import { InvalidDocumentError, parseDocument } from '../core/parse-document.ts';
import type { UnsealedAnswer } from '../core/registry/declared-lineage.ts';
import type {
  ImportedVersion,
  Lineage,
  LineageEdge,
  LineageNode,
  ModelVersion,
  TrainedVersion,
} from '../core/registry/records.ts';
import type { Deployment } from './deployment.ts';
import { styled, type Terminal, withProgress } from './terminal.ts';

type Stores = Pick<Deployment, 'data' | 'artifacts'>;

/** One comparison of what lineage says with what is there now. */
export interface Verified {
  readonly what: string;
  readonly expected: string;
  /** null where there is nothing. */
  readonly actual: string | null;
  readonly equal: boolean;
}

async function actualHash(hash: () => Promise<string>): Promise<string | null> {
  try {
    return await hash();
  } catch (error) {
    if (error instanceof ObjectNotFoundError || error instanceof InvalidDocumentError) return null;
    throw error;
  }
}

/** Computes every hash of a version's lineage anew from the objects in S3. */
export async function verifyLineage(
  { data, artifacts }: Stores,
  version: ModelVersion,
  terminal: Pick<Terminal, 'note'>,
): Promise<Verified[]> {
  const verified: Verified[] = [];
  const compare = async (what: string, expected: string, hash: () => Promise<string>) => {
    const actual = await withProgress(terminal, `hashing ${what}`, () => actualHash(hash));
    verified.push({ what, expected, actual, equal: actual === expected });
  };
  for (const [name, { sha256 }] of Object.entries(version.artifacts)) {
    const key = `${version.artifactsPrefix}${name}`;
    await compare(key, sha256, async () => (await artifacts.hash(key)).sha256);
  }
  if (version.origin === 'trained') {
    const { values, sha256 } = version.lineage.hyperparameters;
    await compare('hyperparameters', sha256, async () => hashOf(values));
  } else {
    const { key, sha256 } = version.imported;
    await compare(key, sha256, async () => (await artifacts.hash(key)).sha256);
  }
  const origin = version.origin === 'trained' ? version.lineage.data : version.imported.evaluatedOn;
  if (!origin) return verified;
  let files: SnapshotManifest['files'] = [];
  await compare(origin.manifestKey, origin.snapshotId, async () => {
    const manifest = parseDocument(
      SnapshotManifest,
      await data.getJson(origin.manifestKey),
      origin.manifestKey,
    );
    files = manifest.files;
    return snapshotId(manifest);
  });
  for (const { key, versionId, sha256 } of files) {
    await compare(key, sha256, async () => (await data.hash(key, versionId)).sha256);
  }
  return verified;
}

/** Nodes on the other ends of a version's edges, and the edges of those: one step further each way. */
export async function neighbourhood(
  deployment: Pick<Deployment, 'registry'>,
  version: ModelVersion,
): Promise<{ node: LineageNode; edges: LineageEdge[] }[]> {
  const own: LineageNode = { type: 'version', id: String(version.version) };
  const edges = await deployment.registry.edges(version.model, own);
  const others = edges.map(({ from, to }) => (isNode(own, from) ? to : from));
  const further = await Promise.all(
    others.map(async (node) => ({
      node,
      edges: await deployment.registry.edges(version.model, node),
    })),
  );
  return [{ node: own, edges }, ...further];
}

const isNode = (a: LineageNode, b: LineageNode): boolean => a.type === b.type && a.id === b.id;
const short = (id: string): string => (/^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id);

const edgeLine = (node: LineageNode, { from, relation, to }: LineageEdge): string =>
  isNode(node, from)
    ? `${relation} → ${to.type} ${short(to.id)}`
    : `← ${relation} ${from.type} ${short(from.id)}`;

/** Branches under a line; a branch is a line or a line with branches of its own. */
export type Tree = readonly [string, readonly Tree[]];

export function drawTree([title, branches]: Tree): string[] {
  return [
    title,
    ...branches.flatMap((branch, i) => {
      const last = i === branches.length - 1;
      return drawTree(branch).map(
        (line, n) => `${n === 0 ? (last ? '└─ ' : '├─ ') : last ? '   ' : '│  '}${line}`,
      );
    }),
  ];
}

const leaf = (text: string): Tree => [text, []];

const holdoutText = ({ baseline, primary, value }: Lineage['metrics']): string =>
  `${primary} ${value} on the holdout, baseline ${baseline}`;

const dataLeaves = (data: Lineage['data']): Tree[] => [
  leaf(`snapshot ${data.snapshotId}`),
  leaf(`manifest ${data.manifestKey}`),
  leaf(`features ${data.featureSpecHash}`),
];

function trainedBranches({ lineage, trainingId, trainingJobName }: TrainedVersion): Tree[] {
  const { code, data, environment, hyperparameters, metrics } = lineage;
  const values = Object.entries(hyperparameters.values).map(([name, value]) => `${name}=${value}`);
  const rows = `rows: ${data.rows.train} to train on, ${data.rows.holdout} held out`;
  return [
    leaf(`training ${trainingId}, job ${trainingJobName}`),
    ['which data', [...dataLeaves(data), leaf(rows)]],
    [
      'which code',
      [leaf(`model definition ${code.modelHash}`), leaf(`trainer ${code.trainerSha256}`)],
    ],
    [`which hyperparameters ${hyperparameters.sha256}`, [leaf(values.join(' '))]],
    [`which environment ${environment.sha256}`, [leaf(environment.trainingImage)]],
    [`how good ${metrics.sha256}`, [leaf(holdoutText(metrics))]],
  ];
}

const unsealed = (answer: UnsealedAnswer): Tree =>
  leaf(answer.standing === 'unknown' ? 'unknown' : `declared: ${answer.statement}`);

/** What was seen of an import, and then the five answers as far as anybody gave them. */
function importedBranches({ imported, lineage, trainingJobName }: ImportedVersion): Tree[] {
  const { code, data, environment, hyperparameters, metrics } = lineage;
  const { evaluatedOn, reason, trainedBy } = imported;
  return [
    [
      `imported by ${imported.by}: its lineage is declared, not sealed`,
      [
        leaf(`file ${imported.file}  ${imported.sha256}  ${imported.bytes} bytes`),
        ...(reason === undefined ? [] : [leaf(`reason: ${reason}`)]),
        leaf(`trained by: ${trainedBy ?? 'unknown'}`),
        leaf(`converted by job ${trainingJobName} in ${imported.trainingImage}`),
        leaf(`model definition ${imported.modelHash}, trainer ${imported.trainerSha256}`),
      ],
    ],
    ['which data', [unsealed(data)]],
    ['which code', [unsealed(code)]],
    ['which hyperparameters', [unsealed(hyperparameters)]],
    ['which environment', [unsealed(environment)]],
    'standing' in metrics
      ? ['how good', [unsealed(metrics)]]
      : [
          `how good ${metrics.sha256}`,
          [
            leaf(holdoutText(metrics)),
            leaf('whether it was trained on rows of this holdout is not known'),
            ...(evaluatedOn ? dataLeaves(evaluatedOn) : []),
          ],
        ],
  ];
}

/** The five answers and the edges of a version. */
export function lineageTree(
  version: ModelVersion,
  around: readonly { node: LineageNode; edges: readonly LineageEdge[] }[],
): Tree {
  const [own, ...others] = around;
  return [
    styled('bold', `${version.model} version ${version.version}`),
    [
      leaf(`registered ${version.registeredAt} by run ${version.runId}`),
      ...(version.origin === 'trained' ? trainedBranches(version) : importedBranches(version)),
      [
        `artifacts at ${version.artifactsPrefix}`,
        Object.entries(version.artifacts).map(([name, { sha256, bytes }]) =>
          leaf(`${name}  ${sha256}  ${bytes} bytes`),
        ),
      ],
      [
        'edges',
        (own?.edges ?? []).map((edge): Tree => {
          const end = own && isNode(own.node, edge.from) ? edge.to : edge.from;
          const further = others.find(({ node }) => isNode(node, end));
          const beyond = (further?.edges ?? []).filter((other) => hashOf(other) !== hashOf(edge));
          return [
            own ? edgeLine(own.node, edge) : '',
            beyond.map((other) => leaf(edgeLine(end, other))),
          ];
        }),
      ],
    ],
  ];
}
