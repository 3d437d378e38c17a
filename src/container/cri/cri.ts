/**
 * The CRI v1 contract (k8s.io/cri-api runtime/v1 api.proto), in process: one method per RPC, the messages of
 * `generated/types.ts` (every field optional as in proto3 JSON; int64 as number; bytes as Uint8Array).
 * Errors are PlatformErrors; the gRPC server maps their codes to gRPC's.
 */
import type { StreamingService } from './streaming.ts';
import type * as v1 from './generated/types.ts';

export interface RuntimeService {
  version(request: v1.VersionRequest): Promise<v1.VersionResponse>;
  status(request: v1.StatusRequest): Promise<v1.StatusResponse>;
  runPodSandbox(request: v1.RunPodSandboxRequest): Promise<v1.RunPodSandboxResponse>;
  stopPodSandbox(request: v1.StopPodSandboxRequest): Promise<v1.StopPodSandboxResponse>;
  removePodSandbox(request: v1.RemovePodSandboxRequest): Promise<v1.RemovePodSandboxResponse>;
  podSandboxStatus(request: v1.PodSandboxStatusRequest): Promise<v1.PodSandboxStatusResponse>;
  listPodSandbox(request: v1.ListPodSandboxRequest): Promise<v1.ListPodSandboxResponse>;
  createContainer(request: v1.CreateContainerRequest): Promise<v1.CreateContainerResponse>;
  startContainer(request: v1.StartContainerRequest): Promise<v1.StartContainerResponse>;
  stopContainer(request: v1.StopContainerRequest): Promise<v1.StopContainerResponse>;
  removeContainer(request: v1.RemoveContainerRequest): Promise<v1.RemoveContainerResponse>;
  listContainers(request: v1.ListContainersRequest): Promise<v1.ListContainersResponse>;
  containerStatus(request: v1.ContainerStatusRequest): Promise<v1.ContainerStatusResponse>;
  /** Fields that are absent or zero stay as they are (proto3 cannot tell these apart). */
  updateContainerResources(
    request: v1.UpdateContainerResourcesRequest,
  ): Promise<v1.UpdateContainerResourcesResponse>;
  /** Of a container that runs. */
  containerStats(request: v1.ContainerStatsRequest): Promise<v1.ContainerStatsResponse>;
  /** GetContainerEvents: every container's life-cycle changes from now on, until the signal aborts. */
  getContainerEvents(
    request: v1.GetEventsRequest,
    onEvent: (event: v1.ContainerEventResponse) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Runs a command in a running container and waits for its end; absent where the runtime cannot. */
  execSync?(request: v1.ExecSyncRequest): Promise<v1.ExecSyncResponse>;
  /** Exec, Attach and PortForward; absent where the runtime cannot. */
  readonly streams?: StreamingService;
}

export interface ImageService {
  listImages(request: v1.ListImagesRequest): Promise<v1.ListImagesResponse>;
  imageStatus(request: v1.ImageStatusRequest): Promise<v1.ImageStatusResponse>;
  pullImage(request: v1.PullImageRequest): Promise<v1.PullImageResponse>;
  removeImage(request: v1.RemoveImageRequest): Promise<v1.RemoveImageResponse>;
}
