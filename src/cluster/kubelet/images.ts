import type { Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import type { ImageService } from '../../container/cri/cri.ts';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import type { Waiting } from './container-status.ts';
import { podUid } from './pod-terms.ts';
import { RestartBackoff } from './restart-backoff.ts';

export type PodEvent = (pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string) => void;

/** An image that a container cannot have yet; `waiting` goes to its status. */
export class ImageWaiting extends Error {
  readonly waiting: Waiting;
  readonly retryMs: number;

  constructor(waiting: Waiting, retryMs: number) {
    super(waiting.message);
    this.waiting = waiting;
    this.retryMs = retryMs;
  }
}

/** Sees to it that a container's image is there, by its pull policy. */
export class Images {
  readonly #service: ImageService;
  readonly #clock: Clock;
  readonly #event: PodEvent;
  readonly #backoff: RestartBackoff;
  /** When the last pull of `<uid>/<image>` failed, and how. */
  readonly #failed = new Map<string, { readonly at: number; readonly message: string }>();

  constructor(options: { service: ImageService; clock: Clock; event: PodEvent }) {
    this.#service = options.service;
    this.#clock = options.clock;
    this.#event = options.event;
    this.#backoff = new RestartBackoff(options.clock);
  }

  /** The runtime's name (id) of the image. Throws ImageWaiting. */
  async ensure(pod: Pod, container: Container): Promise<string> {
    const image = container.image ?? '';
    const policy = container.imagePullPolicy ?? (isLatest(image) ? 'Always' : 'IfNotPresent');
    const present = await this.#present(image);
    if (present !== undefined && policy !== 'Always') {
      this.#event(pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine`);
      return present;
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      this.#event(pod, 'Warning', 'ErrImageNeverPull', message);
      throw new ImageWaiting({ reason: 'ErrImageNeverPull', message }, 10_000);
    }
    return this.#pull(pod, image, present);
  }

  forget(uid: string): void {
    this.#backoff.forget(`${uid}/`);
    for (const key of this.#failed.keys()) if (key.startsWith(`${uid}/`)) this.#failed.delete(key);
  }

  async #present(image: string): Promise<string | undefined> {
    const { image: found } = await this.#service.imageStatus({ image: { image } });
    return found?.id;
  }

  async #pull(pod: Pod, image: string, present: string | undefined): Promise<string> {
    const key = `${podUid(pod)}/${image}`;
    const failure = this.#failed.get(key);
    const left = failure === undefined ? 0 : this.#backoff.remaining(key, failure.at);
    if (failure !== undefined && left > 0) {
      const message = `Back-off pulling image "${image}": ${failure.message}`;
      this.#event(pod, 'Normal', 'BackOff', `Back-off pulling image "${image}"`);
      throw new ImageWaiting({ reason: 'ImagePullBackOff', message }, left);
    }
    const began = this.#clock.monotonic();
    this.#event(pod, 'Normal', 'Pulling', `Pulling image "${image}"`);
    try {
      const { imageRef = '' } = await this.#service.pullImage({ image: { image } });
      const spent = Math.round(this.#clock.monotonic() - began);
      this.#failed.delete(key);
      this.#event(pod, 'Normal', 'Pulled', `Successfully pulled image "${image}" in ${spent}ms`);
      return imageRef === '' ? ((await this.#present(image)) ?? image) : imageRef;
    } catch (error) {
      // A runtime without a registry client has nothing newer than what is there.
      if (present !== undefined && isPlatformError(error, 'unsupported')) {
        this.#event(pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine`);
        return present;
      }
      const at = this.#clock.now();
      this.#backoff.next(key, failure?.at ?? at);
      const message = `failed to pull image "${image}": ${errorMessage(error)}`;
      this.#failed.set(key, { at, message });
      this.#event(pod, 'Warning', 'Failed', `Failed to pull image "${image}": ${errorMessage(error)}`);
      this.#event(pod, 'Warning', 'Failed', 'Error: ErrImagePull');
      throw new ImageWaiting({ reason: 'ErrImagePull', message }, this.#backoff.remaining(key, at));
    }
  }
}

/** No tag and no digest, or the tag `latest`. */
export function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}

/** Why a container waits whose configuration cannot be made. A bug of ours is not called the user's mistake. */
export function configError(error: unknown): Waiting {
  const reason = error instanceof PlatformError ? 'CreateContainerConfigError' : 'CreateContainerError';
  return { reason, message: errorMessage(error) };
}
