import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { IgnoreMode } from 'aws-cdk-lib';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { Sources } from '../../core/model/sources.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';
import { imageAddress, type TrainingImage, type TrainingImages } from './training-image.ts';

/** What a model with its own train.py brings beside its definition. */
export interface OwnPython {
  /** Folder of the model's Python files. */
  readonly program: string;
  /** Folder of its Python environment on this disk. */
  readonly environment: string;
  /** Folder of its packages' wheels. */
  readonly wheels: string;
  /** Hashes of its Python files and of requirements.txt. */
  readonly sources: Sources;
}

/** Where such models are trained, as an environment says it. */
export type ImagesOfPython =
  | {
      /** Images that the model's wheels are brought to. */
      readonly kind: 'images';
      readonly cpu: TrainingImage;
      readonly gpu: TrainingImage;
      /** What runs a fitted object where a container serves it. */
      readonly serving: TrainingImage;
    }
  | {
      /** The model's Python environment on this disk is the image. */
      readonly kind: 'environments';
    };

/** The images of a model's own. */
export function imagesOfOwn(images: ImagesOfPython, own: OwnPython): TrainingImages {
  if (images.kind === 'environments') {
    const image = { image: own.environment };
    return { cpu: image, gpu: image, gpuDevice: 'cpu' };
  }
  const { wheels } = own;
  return { cpu: { ...images.cpu, wheels }, gpu: { ...images.gpu, wheels }, gpuDevice: 'cuda' };
}

/**
 * Address of what a model's container runs; undefined where none serves it. On a laptop the folder image/ of the
 * model stands for an image of its own: there is nothing to pull one with.
 */
export function servingImageOf(
  { serving }: ModelDefinition,
  images: ImagesOfPython,
  own: OwnPython,
  region: string,
): string | undefined {
  if (serving.target !== 'container') return undefined;
  if (images.kind === 'environments') {
    return serving.image === undefined ? own.environment : join(own.program, 'image');
  }
  return serving.image ?? imageAddress(images.serving, region);
}

/**
 * The model's Python files, and nothing else of its folder: a changed test or notebook is no other training.
 * @throws InvalidDocumentError where there is no train.py.
 */
export function programAsset(scope: Construct, { program }: OwnPython, model: string): Asset {
  if (!existsSync(join(program, 'train.py'))) {
    throw new InvalidDocumentError(`the model ${model}`, [
      `training.trainer: 'python' needs ${join(program, 'train.py')}, which is missing; write \`def train(data, hyperparameters):\` there, which returns the fitted object`,
    ]);
  }
  return new Asset(scope, 'Program', {
    path: program,
    exclude: ['*', '!*.py'],
    ignoreMode: IgnoreMode.GIT,
  });
}
