import { isPlatformError, PlatformError } from '../../base/errors.ts';
import type { ImageService } from '../cri/cri.ts';
import type * as v1 from '../cri/generated/types.ts';
import type { ImageRecord, ImageStore } from '../image/image-store.ts';
import { imageItem } from './cri-view.ts';

/** CRI's image service over the store. There is no registry client: an image is there or it is not. */
export class EngineImages implements ImageService {
  readonly #store: ImageStore;

  constructor(store: ImageStore) {
    this.#store = store;
  }

  async listImages(request: v1.ListImagesRequest): Promise<v1.ListImagesResponse> {
    const wanted = request.filter?.image?.image ?? '';
    if (wanted !== '') {
      const { image } = await this.imageStatus({ image: { image: wanted } });
      return { images: image === undefined ? [] : [image] };
    }
    const byId = Map.groupBy(await this.#store.list(), ({ configDigest }) => configDigest);
    return { images: [...byId.values()].map((records) => imageItem(records)) };
  }

  async imageStatus(request: v1.ImageStatusRequest): Promise<v1.ImageStatusResponse> {
    const found = await this.#find(request.image?.image ?? '');
    if (found === undefined) return {};
    const same = (await this.#store.list()).filter(({ configDigest }) => configDigest === found.configDigest);
    return { image: imageItem(same.length === 0 ? [found] : same) };
  }

  async pullImage(request: v1.PullImageRequest): Promise<v1.PullImageResponse> {
    const name = request.image?.image ?? '';
    const found = await this.#find(name);
    if (found !== undefined) return { imageRef: found.configDigest };
    throw new PlatformError(
      'not-found',
      `image "${name}" is not in the store and there is no registry client to pull it with; ` +
        `make it from this machine's programs with "sampan image from-host ${name} PROGRAM..."`,
      { details: { image: name } },
    );
  }

  async removeImage(request: v1.RemoveImageRequest): Promise<v1.RemoveImageResponse> {
    const found = await this.#find(request.image?.image ?? '');
    if (found !== undefined) await this.#store.remove(found.configDigest);
    return {};
  }

  async #find(name: string): Promise<ImageRecord | undefined> {
    if (name === '') throw new PlatformError('invalid', 'image.image: want a name');
    try {
      return await this.#store.get(name);
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return undefined;
      throw error;
    }
  }
}
