/** Of services and what leads to them. */
import type { Texts } from './texts.ts';

export const services: Readonly<Record<string, Texts>> = {
  Service: { '': 'A name and an address that stay, for pods that come and go.' },
  ServiceSpec: {
    ports: 'The ports of the service.',
    selector: 'Labels of the pods behind it. Without any, someone else writes the endpoints.',
    clusterIP: 'The address inside the cluster. Given by the server; None for a service without one.',
    clusterIPs: 'The addresses inside the cluster, one of each family.',
    type: 'How the service is made reachable. ClusterIP when not given.',
    externalIPs: 'Addresses from elsewhere whose traffic nodes take for this service.',
    sessionAffinity: 'Whether one client always gets to the same pod.',
    sessionAffinityConfig: 'For how long.',
    loadBalancerIP: 'An address to ask the load balancer for. Use what your provider has for it instead.',
    loadBalancerSourceRanges: 'Which clients the load balancer lets through.',
    loadBalancerClass: 'Who makes the load balancer, when it is not the one that is built in.',
    allocateLoadBalancerNodePorts: 'Whether a load balancer gets ports of nodes too.',
    externalName: 'For ExternalName: the name that this one stands for.',
    externalTrafficPolicy: 'Whether traffic from outside may be sent on to other nodes.',
    internalTrafficPolicy: 'Whether traffic from inside may be sent on to other nodes.',
    healthCheckNodePort: 'A port of nodes that says whether there are pods here.',
    publishNotReadyAddresses: 'Whether pods that are not ready have names too.',
    ipFamilies: 'Families of the addresses.',
    ipFamilyPolicy: 'Whether there is one family or two.',
    trafficDistribution: 'Which endpoints are preferred, like those in the same zone.',
  },
  ServicePort: {
    '': 'A port of a service.',
    name: 'Name of the port; needed when there are several.',
    protocol: 'TCP when not given.',
    appProtocol: 'What is spoken on the port, as a hint for others.',
    port: 'Number of the port of the service.',
    targetPort: 'Number or name of the port of the pods. That of the service when not given.',
    nodePort: 'The port of every node that leads here. Given by the server.',
  },
  ServiceStatus: {
    loadBalancer: 'Where the load balancer is reached.',
    conditions: 'What is true of the service now.',
  },
};

export const networking: Readonly<Record<string, Texts>> = {
  Ingress: { '': 'Which requests from outside go to which services, by host and path.' },
  IngressSpec: {
    ingressClassName: 'The class, which says who looks after it.',
    defaultBackend: 'Where requests go that no rule is for.',
    tls: 'Certificates, by host.',
    rules: 'Which requests go where.',
  },
  IngressRule: {
    host: 'The host name; *.example.com stands for one more word. All when not given.',
  },
  IngressTLS: {
    hosts: 'The host names that the certificate is for.',
    secretName: 'The secret with certificate and key.',
  },
  HTTPIngressPath: {
    path: 'The path; begins with a slash.',
    pathType: 'How paths are compared.',
    backend: 'Where such requests go.',
  },
  IngressBackend: { service: 'A service.', resource: 'Something else; not together with service.' },
  IngressStatus: { loadBalancer: 'Where requests come in.' },
  IngressClass: { '': 'Who looks after ingresses that name it.' },
  IngressClassSpec: { controller: 'Name of who does.', parameters: 'An object with further settings.' },
  NetworkPolicy: { '': 'Which traffic some pods may have. Whoever is in no policy may have all.' },
  NetworkPolicySpec: {
    podSelector: 'The pods that it is for: all of the namespace when empty.',
    ingress: 'Traffic that may come in.',
    egress: 'Traffic that may go out.',
    policyTypes: 'Whether it limits what comes in, what goes out or both.',
  },
  NetworkPolicyIngressRule: {
    from: 'Where it may come from: anywhere when empty.',
    ports: 'To which ports: all when empty.',
  },
  NetworkPolicyEgressRule: {
    to: 'Where it may go: anywhere when empty.',
    ports: 'To which ports: all when empty.',
  },
  NetworkPolicyPeer: {
    podSelector: 'Pods, of the same namespace unless namespaceSelector is given.',
    namespaceSelector: 'Namespaces: all of their pods unless podSelector is given.',
    ipBlock: 'A range of addresses; not together with the others.',
  },
  NetworkPolicyPort: {
    protocol: 'TCP when not given.',
    port: 'Number or name of the port: all when not given.',
    endPort: 'The last of a range of ports that begins with port.',
  },
};
