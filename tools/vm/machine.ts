/** One machine, from power-on to power-off: qemu in software emulation, two disks, a console and a port for events. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { PORT } from './guest/events.ts';
import type { Image } from './image.ts';

export interface MachineOptions {
  readonly image: Image;
  /** The disk with the repository under test. */
  readonly workImage: string;
  /** The unit that systemd boots into. */
  readonly unit: string;
  /** Scratch: qemu keeps there what the guest writes to its root. */
  readonly folder: string;
  /** The console is this process's own terminal, and {@link Machine.console} stays empty. */
  readonly interactive?: boolean;
  readonly onEvent?: (line: string) => void;
}

/** Resolution of the end of a hung guest: what it had on its console. */
const KEPT_LINES = 5000;

export class Machine implements AsyncDisposable {
  /** What the guest has written on its console, oldest first. */
  readonly console: string[] = [];
  /** Resolves when qemu has ended and all that it sent has been read. */
  readonly ended: Promise<void>;
  readonly #qemu: ChildProcess;

  constructor(options: MachineOptions) {
    const interactive = options.interactive ?? false;
    // setpriv: when this process dies, even by SIGKILL, the guest does not stay behind.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...argumentsFor(options)], {
      env: { ...process.env, TMPDIR: options.folder },
      stdio: interactive ? ['inherit', 'inherit', 'inherit', 'pipe'] : ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve, reject) => {
      this.#qemu.on('error', reject);
      this.#qemu.on('close', () => resolve());
    });
    const { stdout, stderr } = this.#qemu;
    for (const stream of [stdout, stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
    const events = createInterface({ input: this.#qemu.stdio[3] as Readable });
    events.on('line', (line) => options.onEvent?.(line));
  }

  #keep(line: string): void {
    const text = stripVTControlCharacters(line).trimEnd();
    if (text === '') return;
    this.console.push(text);
    if (this.console.length > KEPT_LINES) this.console.shift();
  }

  /** As if its plug were pulled. */
  kill(): void {
    this.#qemu.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
  }
}

function argumentsFor({ image, workImage, unit, interactive }: MachineOptions): readonly string[] {
  const kernel = [
    // A panic or an oops is a reboot at once, and -no-reboot makes that the end.
    'console=ttyS0 panic=-1 oops=panic loglevel=4 quiet',
    // Nobody attacks this guest, and every one of these costs emulated instructions.
    'mitigations=off nokaslr audit=0',
    `systemd.unit=${unit} systemd.show_status=${interactive === true ? 0 : 1} TERM=dumb`,
  ];
  return [
    // Never kvm: nested, as on machines that are virtual themselves, a guest hangs on it.
    ...['-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', 'max', '-smp', '2', '-m', '2G'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', kernel.join(' ')],
    // The guest may write to its root; it all goes to a file that has no name.
    ...['-drive', `file=${image.root},if=virtio,index=0,format=raw,snapshot=on,cache=unsafe`],
    ...['-drive', `file=${workImage},if=virtio,index=1,format=raw,read-only=on`],
    ...[
      '-chardev',
      `stdio,id=console,signal=${interactive === true ? 'off' : 'on'}`,
      '-serial',
      'chardev:console',
    ],
    ...['-device', 'virtio-serial-pci', '-chardev', 'socket,id=results,fd=3'],
    ...['-device', `virtserialport,chardev=results,name=${PORT}`],
  ];
}
