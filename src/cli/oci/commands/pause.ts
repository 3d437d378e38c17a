import { pauseContainer, resumeContainer } from '../../../container/runtime/oci/pause.ts';
import type { Command } from '../command.ts';

export const pause: Command = {
  name: 'pause',
  summary: 'stop all processes of a container for a while',
  usage: '<container-id>',
  description: 'The cgroup of the container is frozen: its processes neither run nor notice.',
  examples: [['pause web', '']],
  flags: [],
  args: { min: 1, max: 1 },
  async run({ context, args }) {
    await pauseContainer(context, args[0]!);
    return 0;
  },
};

export const resume: Command = {
  name: 'resume',
  summary: 'let the processes of a paused container go on',
  usage: '<container-id>',
  description: 'The reverse of pause.',
  examples: [['resume web', '']],
  flags: [],
  args: { min: 1, max: 1 },
  async run({ context, args }) {
    await resumeContainer(context, args[0]!);
    return 0;
  },
};
