import { existsSync, globSync } from 'node:fs';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { type Device, deviceOf } from '../../core/model/training-section.ts';
import { InvalidDocumentError } from '../../core/parse-document.ts';

/** Where a trainer runs, as an environment says it. */
export type TrainingImage = (
  | {
      /** Repository and tag in AWS's account for Deep Learning Containers. */
      readonly deepLearningContainer: string;
    }
  | {
      /** An image's whole address; on a laptop, a folder with a bin/ in it. */
      readonly image: string;
    }
) & {
  /** Folder of the trainer's wheels, for an image that has not the trainer's packages. */
  readonly wheels?: string | undefined;
};

/** A trainer's images, for instances without and with a GPU. */
export interface TrainingImages {
  readonly cpu: TrainingImage;
  readonly gpu: TrainingImage;
  /** What XGBoost computes on in the image for GPUs. */
  readonly gpuDevice: Device;
}

/** What an instance type needs: an image, and what the trainer computes on in it. */
export function imageFor(instanceType: string, images: TrainingImages) {
  return deviceOf(instanceType) === 'cuda'
    ? { ...images.gpu, device: images.gpuDevice }
    : { ...images.cpu, device: 'cpu' as const };
}

/**
 * The address that SageMaker pulls.
 * @throws InvalidDocumentError where AWS publishes no Deep Learning Containers.
 */
export function imageAddress(image: TrainingImage, region: string): string {
  if ('image' in image) return image.image;
  const { dlcRepositoryAccount, domainSuffix } = RegionInfo.get(region);
  if (!dlcRepositoryAccount) {
    throw new InvalidDocumentError('the training image (config/environments.ts)', [
      `region: AWS has no known account of Deep Learning Containers in ${region}, where ${image.deepLearningContainer} ` +
        'should come from; deploy into another region, or give trainingImages the address of your own image',
    ]);
  }
  return `${dlcRepositoryAccount}.dkr.ecr.${region}.${domainSuffix ?? 'amazonaws.com'}/${image.deepLearningContainer}`;
}

/** @throws InvalidDocumentError when there are no wheels in the folder. */
export function checkedWheels(folder: string): string {
  if (existsSync(folder) && globSync('*.whl', { cwd: folder }).length > 0) return folder;
  throw new InvalidDocumentError('the training image (config/environments.ts)', [
    `trainingImages: there are no wheels in ${folder}, and the image has not the trainer's packages; ` +
      'run `node bin/setup.mjs wheels`, which downloads them',
  ]);
}
