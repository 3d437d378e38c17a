/**
 * Host-local addresses (as CNI's plugin of that name): a file for each address in use, named after it, holding the
 * sandbox id. The file's exclusive creation is the lock: no two callers get the same address, and a crash at any
 * point leaves either a file with an owner, which the next sweep judges, or none.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { numberToIpv4, parseCidr } from '../../kernel/ipv4.ts';

/** Network address and gateway at the start. */
const RESERVED = 2;
const ADDRESS = /^\d+\.\d+\.\d+\.\d+$/;

export class AddressPool {
  readonly #folder: string;
  readonly #first: number;
  readonly #size: number;
  /** Address by owner: what is in the folder, which has no other writer while its instance's lock is held. */
  readonly #byOwner = new Map<string, string>();
  readonly #used = new Set<string>();
  /** Addresses go round, so that a freed one rests as long as possible before it is given out again. */
  #next = RESERVED;

  constructor(folder: string, cidr: string) {
    const { first, size } = parseCidr(cidr);
    this.#folder = folder;
    this.#first = first;
    this.#size = size;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#load();
  }

  /** The owner's address; the same again when it has one. `exhausted` when all are taken. */
  allocate(owner: string): string {
    const held = this.#byOwner.get(owner);
    if (held !== undefined) return held;
    failpoint('network.address.allocate');
    // The last address is the broadcast address.
    const usable = this.#size - RESERVED - 1;
    for (let tried = 0; tried < usable; tried++) {
      const offset = RESERVED + ((this.#next - RESERVED + tried) % usable);
      const address = numberToIpv4(this.#first + offset);
      if (this.#used.has(address) || !this.#claim(address, owner)) continue;
      this.#byOwner.set(owner, address);
      this.#used.add(address);
      this.#next = RESERVED + ((offset - RESERVED + 1) % usable);
      return address;
    }
    throw new PlatformError('exhausted', `all ${usable} addresses of the pod network are in use`, {
      hint: 'remove pods that are no longer needed',
    });
  }

  /** Idempotent. */
  release(owner: string): void {
    const address = this.#byOwner.get(owner);
    if (address === undefined) return;
    failpoint('network.address.release');
    removeFile(join(this.#folder, address));
    this.#byOwner.delete(owner);
    this.#used.delete(address);
  }

  owners(): string[] {
    return [...this.#byOwner.keys()];
  }

  /** Written beside and linked into place: the file is there with its owner in it, or not at all. */
  #claim(address: string, owner: string): boolean {
    const temporary = join(this.#folder, `.${owner}`);
    writeFileSync(temporary, owner, { mode: 0o600 });
    try {
      linkSync(temporary, join(this.#folder, address));
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw new PlatformError(
        'unavailable',
        `cannot record address ${address} in ${this.#folder}: ${errorMessage(error)}`,
        {
          cause: error,
        },
      );
    } finally {
      removeFile(temporary);
    }
  }

  #load(): void {
    for (const name of readdirSync(this.#folder)) {
      const file = join(this.#folder, name);
      if (!ADDRESS.test(name)) {
        removeFile(file);
        continue;
      }
      const owner = readFileSync(file, 'utf8');
      // Empty after a power cut, or a second one of the same owner after a crash in between: nobody's.
      if (owner === '' || this.#byOwner.has(owner)) {
        removeFile(file);
        continue;
      }
      this.#byOwner.set(owner, name);
      this.#used.add(name);
    }
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
