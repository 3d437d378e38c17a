import type { ImageConfig, ImageManifest } from '../spec/image.ts';
import type { Snapshot } from '../spec/snapshot.ts';

/** An image as the store knows it. */
export interface ImageRecord {
  /** Fully qualified reference: `localhost/hello:latest`. */
  readonly reference: string;
  /** Digest of the manifest: `sha256:…`. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** Digest of the config, which is the image's id. */
  readonly configDigest: string;
  /** Sum of the blobs' sizes, bytes. */
  readonly size: number;
}

/**
 * Content store, references and snapshots in one data folder. Layers are unpacked once (keyed by chain id) and
 * shared by every snapshot; a crash at any point leaves nothing that a later `sweep` does not remove.
 */
export interface ImageStore {
  /** Normalises a reference the way Docker does and finds it; also finds by digest or id. `not-found` names it. */
  get(reference: string): Promise<ImageRecord>;
  list(): Promise<readonly ImageRecord[]>;
  remove(reference: string): Promise<void>;
  /** Makes (or finds again) the writable layer `key` on the image's unpacked layers. */
  prepareSnapshot(key: string, image: ImageRecord): Promise<Snapshot>;
  removeSnapshot(key: string): Promise<void>;
  /** Removes half-written content and every snapshot whose key is not in `keep`. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}
