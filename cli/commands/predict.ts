import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { ParitySample } from '../../core/inference/parity/parity-sample.ts';
import { Signature } from '../../core/inference/signature.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { type ApiReply, openApi } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { type CallersDoor, curlCall, type ExampleCall, pythonCall } from '../example-calls.ts';
import { repositoryRoot } from '../laptop-file.ts';
import { liveArtifacts } from '../live-signature.ts';
import { defaultProxyPort } from '../proxy.ts';
import { sampleInstance } from '../sample-instance.ts';
import { styled } from '../terminal.ts';

interface Options extends Common {
  readonly example?: boolean;
  readonly jsonFile?: string;
  readonly instance?: string;
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`${where} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/** An instance, a list of them or a whole request, as a request's body. */
function requestBody(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'instances' in value) {
    return JSON.stringify(value);
  }
  return JSON.stringify({ instances: Array.isArray(value) ? value : [value] });
}

/** @throws CommandError where the file cannot be read. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw usageError(`the file ${file} cannot be read`);
  }
}

async function exampleBody(deployment: Deployment, model: string): Promise<string> {
  const artifactsPrefix = await liveArtifacts(deployment, model);
  const [signature, spec, parity] = await Promise.all(
    ['signature.json', 'features.json', 'parity.json'].map((name) =>
      deployment.artifacts.getJson(`${artifactsPrefix}${name}`),
    ),
  );
  return requestBody(
    sampleInstance(
      parseDocument(Signature, signature, 'signature.json'),
      parseDocument(FeatureSpec, spec, 'features.json'),
      parseDocument(ParitySample, parity, 'parity.json'),
      new Date(),
    ),
  );
}

const clientFolder = join(repositoryRoot, 'clients', 'python');

function doorOf(deployment: Deployment, options: Options): CallersDoor {
  if (deployment.parameter('api-auth') === 'iam') {
    const { environment } = deployment;
    return { auth: 'iam', environment, proxyUrl: `http://127.0.0.1:${defaultProxyPort}` };
  }
  if (!deployment.laptop) return { auth: 'jwt', tokenVariable: 'SLIPWAY_TOKEN' };
  const cloud = options.cloud === undefined ? [] : ['--cloud', options.cloud];
  const tokenCommand = ['npx', 'slipway', 'token', ...cloud];
  return { auth: 'jwt', tokenCommand, tokenFolder: repositoryRoot };
}

const exampleLines = (call: ExampleCall): string[] => [
  styled('bold', 'curl'),
  ...curlCall(call),
  '',
  styled('bold', 'Python'),
  ...pythonCall(call),
  '',
  styled('bold', 'The answer'),
];

function checkReply(reply: ApiReply): void {
  if (reply.status === 200) return;
  const error = (reply.body as { error?: string } | null)?.error ?? JSON.stringify(reply.body);
  throw new CommandError(`the model's API answered ${reply.status}: ${error}`);
}

async function body(deployment: Deployment, model: string, options: Options): Promise<string> {
  const given = [options.example, options.jsonFile, options.instance].filter(Boolean).length;
  if (given > 1) throw usageError('give one of --example, --instance and --json-file');
  if (options.instance !== undefined) {
    return requestBody(parseJson(options.instance, 'the value of --instance'));
  }
  if (options.jsonFile !== undefined) {
    return requestBody(parseJson(readText(options.jsonFile), options.jsonFile));
  }
  if (options.example) return exampleBody(deployment, model);
  throw usageError(
    'give --instance \'{"column": value, …}\' or --json-file <file>; --example makes an instance and shows how to call',
  );
}

export const predictCommand = (): Command =>
  deployedCommand({
    usage: 'predict <model>',
    description: "ask the live version through the model's API",
    examples: [
      'slipway predict flight-delay --example',
      'slipway predict flight-delay --instance \'{"origin":"JFK","destination":"LAX","distance":2475,"date":"2001-03-05"}\'',
    ],
  })
    .option('--example', 'make an instance, show a curl and a Python call, and the answer')
    .option('--instance <json>', 'an instance, or a list of them')
    .option('--json-file <file>', 'a file with an instance, a list of them or a whole request')
    .action((name: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const path = `/v1/models/${model}:predict`;
        const text = await body(deployment, model, options);
        const api = await openApi(deployment);
        const reply = await api.post(path, text);
        checkReply(reply);
        if (!options.example) {
          terminal.result(reply.body, [JSON.stringify(reply.body, null, 2)]);
          return undefined;
        }
        const request = JSON.parse(text);
        const door = doorOf(deployment, options);
        const { baseUrl } = api;
        const call = { baseUrl, model, instances: request.instances, door, clientFolder };
        terminal.result(
          {
            request: { url: `${baseUrl}${path}`, body: request },
            calls: { curl: curlCall(call).join('\n'), python: pythonCall(call).join('\n') },
            reply: reply.body,
          },
          [...exampleLines(call), JSON.stringify(reply.body, null, 2)],
        );
        return undefined;
      }),
    );
