import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { readEnvironment } from '../../config/environments.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import flightDelay from '../../models/flight-delay/model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

type EnvironmentOnAws = 'dev' | 'staging' | 'prod';

export interface Synthesis {
  readonly account: Template;
  readonly state: Template;
  readonly flightDelay: Template;
  readonly churn: Template;
  readonly api: Template;
  readonly monitoring: Template;
  /** Folder of the cloud assembly. */
  readonly folder: string;
  readonly templateFiles: readonly string[];
}

const made = new Map<string, Synthesis>();

function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `slipway-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let wheels: string | undefined;

/** A folder with one wheel that is none: nothing looks into it before a training does. */
function standInWheels(): string {
  if (wheels === undefined) {
    wheels = temporaryFolder('wheels');
    writeFileSync(join(wheels, 'trainer-1.0.0-py3-none-any.whl'), 'wheel');
  }
  return wheels;
}

/** The Python of a model with its own train.py, by the model's name. */
export function ownPythonOf(model: string, files: Readonly<Record<string, string>> = {}) {
  const program = temporaryFolder('program');
  for (const [name, text] of Object.entries({ 'train.py': '', ...files })) {
    mkdirSync(dirname(join(program, name)), { recursive: true });
    writeFileSync(join(program, name), text);
  }
  const sources = { 'train.py': 'made up' };
  return new Map([[model, { program, environment: '/venv', wheels: standInWheels(), sources }]]);
}

/** An environment on AWS with a stand-in for the trainer's wheels, which would come from the network. */
export function environmentOnAws(name: EnvironmentOnAws, region = 'eu-west-1') {
  const environment = readEnvironment({ SLIPWAY_ENVIRONMENT: name, AWS_REGION: region });
  const { cpu, gpu, gpuDevice } = environment.trainingImages.xgboost;
  const wheels = standInWheels();
  const xgboost = { cpu: { ...cpu, wheels }, gpu: { ...gpu, wheels }, gpuDevice };
  const { python } = environment.trainingImages;
  return { ...environment, trainingImages: { xgboost, python } };
}

/** Two models in an environment on AWS, as `cdk synth` makes them, once per process. */
export function synthesise(environment: EnvironmentOnAws): Synthesis {
  const known = made.get(environment) ?? synthesiseAnew(environment);
  made.set(environment, known);
  return known;
}

function synthesiseAnew(environment: EnvironmentOnAws): Synthesis {
  const folder = temporaryFolder('synth');
  const models = [flightDelay, defineModel(aModelDefinition())];
  const app = slipwayApp(environmentOnAws(environment), models, undefined, {
    outputFolder: folder,
  });
  const assembly = app.synth();
  const template = (name: string): Template =>
    Template.fromJSON(assembly.getStackByName(`Slipway-${environment}-${name}`).template);
  return {
    account: Template.fromJSON(assembly.getStackByName('Slipway-Account').template),
    state: template('State'),
    flightDelay: template('Model-FlightDelay'),
    churn: template('Model-Churn'),
    api: template('Api'),
    monitoring: template('Monitoring'),
    folder,
    templateFiles: readdirSync(folder)
      .filter((file) => file.endsWith('.template.json'))
      .map((file) => join(folder, file)),
  };
}
