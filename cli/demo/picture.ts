import type { Scene } from './scene.ts';
export async function takePicture(_scene: Scene, _file: string): Promise<string | null> {
  return null;
}
