"""What all Fargate services have in common: one hardened container, one task definition, one service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from troposphere import FindInMap, If, Join, Ref, Region, Template, cloudwatch, ecr, ecs

from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.parameters.platform import TASK_SIZES, PlatformParameters
from cloudformation.resources.cluster import Cluster, add_discovery
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.execution import TASKS_PRINCIPAL, Execution
from cloudformation.resources.iam import add_role
from cloudformation.resources.network import Network
from cloudformation.resources.repositories import Repositories

# As in services/Dockerfile, which also says where each listens.
USER = "10001:10001"
# About 20,000 of our lines: some ten seconds of a task under full load.
LOG_BUFFER = "10m"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What every service stands on."""

    parameters: PlatformParameters
    pipeline: PipelineParameters
    encryption: Encryption
    network: Network
    cluster: Cluster
    repositories: Repositories
    execution: Execution


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One service or job: what it runs, what it may do, and how it is replaced. A job has a command and no port."""

    title: str
    name: str
    condition: str
    repository: ecr.Repository
    port: int | None
    # A parameter; None is the smallest.
    size: Ref | None
    environment: Mapping[str, object]
    statements: Sequence[object]
    group: object
    stop_timeout_seconds: int
    # The fewest and the most tasks in a deployment, in percent; without them ECS starts the new ones first.
    in_a_deployment: tuple[object, object] | None = None
    deployment_alarms: Sequence[cloudwatch.Alarm] = ()
    secrets: Mapping[str, object] = field(default_factory=dict)
    writable_folder: str | None = None
    on_spot: bool = False
    load_balancers: Sequence[ecs.LoadBalancer] = ()
    depends_on: Sequence[str] = ()
    command: Sequence[str] = ()


def add_service(template: Template, workload: Workload, *, platform: Platform) -> ecs.Service:
    """Add role, task definition, DNS name and service of a workload."""
    definition = add_definition(template, workload, platform=platform)
    discovery = add_discovery(template, workload.title, name=workload.name, cluster=platform.cluster)
    service = ecs.Service(
        f"{workload.title}Service",
        Condition=workload.condition,
        ServiceName=workload.name,
        Cluster=platform.cluster.cluster.ref(),
        TaskDefinition=definition.ref(),
        CapacityProviderStrategy=_strategy(workload, platform.parameters),
        DeploymentConfiguration=_deployment(workload),
        NetworkConfiguration=ecs.NetworkConfiguration(
            AwsvpcConfiguration=ecs.AwsvpcConfiguration(
                AssignPublicIp="DISABLED",
                SecurityGroups=[workload.group],
                Subnets=platform.network.private_subnet_refs,
            )
        ),
        ServiceRegistries=[ecs.ServiceRegistry(RegistryArn=discovery.get_att("Arn"))],
        PropagateTags="SERVICE",
    )
    if workload.load_balancers:
        service.LoadBalancers = list(workload.load_balancers)
        service.HealthCheckGracePeriodSeconds = 30
    if workload.on_spot:
        # ECS takes another share of Spot only together with a new deployment.
        service.ForceNewDeployment = ecs.ForceNewDeployment(
            EnableForceNewDeployment=True, ForceNewDeploymentNonce=platform.parameters.spot_weight.ref()
        )
    if workload.depends_on:
        service.DependsOn = list(workload.depends_on)
    return template.add_resource(service)


def _deployment(workload: Workload) -> ecs.DeploymentConfiguration:
    configuration = ecs.DeploymentConfiguration(
        DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True)
    )
    if workload.deployment_alarms:
        configuration.Alarms = ecs.DeploymentAlarms(
            AlarmNames=[alarm.ref() for alarm in workload.deployment_alarms], Enable=True, Rollback=True
        )
    if workload.in_a_deployment is not None:
        configuration.MinimumHealthyPercent, configuration.MaximumPercent = workload.in_a_deployment
    return configuration


def add_definition(template: Template, workload: Workload, *, platform: Platform) -> ecs.TaskDefinition:
    """Add the role and the task definition of a workload."""
    cpu, memory = TASK_SIZES["small"] if workload.size is None else _looked_up(workload.size)
    definition = ecs.TaskDefinition(
        f"{workload.title}Task",
        Condition=workload.condition,
        RequiresCompatibilities=["FARGATE"],
        NetworkMode="awsvpc",
        Cpu=cpu,
        Memory=memory,
        RuntimePlatform=ecs.RuntimePlatform(
            CpuArchitecture=If(platform.parameters.arm_on, "ARM64", "X86_64"),
            OperatingSystemFamily="LINUX",
        ),
        ExecutionRoleArn=platform.execution.role,
        ContainerDefinitions=[_container(workload, platform=platform)],
    )
    if workload.statements:
        definition.TaskRoleArn = _add_task_role(template, workload, platform.pipeline)
    if workload.writable_folder is not None:
        definition.Volumes = [ecs.Volume(Name="data")]
    return template.add_resource(definition)


def _looked_up(size: Ref) -> tuple[FindInMap, FindInMap]:
    return FindInMap("TaskSize", size, "Cpu"), FindInMap("TaskSize", size, "Memory")


def _container(workload: Workload, *, platform: Platform) -> ecs.ContainerDefinition:
    container = ecs.ContainerDefinition(
        Name=workload.name,
        Image=Join(":", [workload.repository.get_att("RepositoryUri"), platform.parameters.image_tag.ref()]),
        User=USER,
        ReadonlyRootFilesystem=True,
        StopTimeout=workload.stop_timeout_seconds,
        Environment=[
            ecs.Environment(Name=name, Value=str(value) if isinstance(value, int) else value)
            for name, value in sorted(workload.environment.items())
        ],
        LogConfiguration=ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                # A log that does not take lines must not hold up orders: it loses the oldest of them instead.
                "mode": "non-blocking",
                "max-buffer-size": LOG_BUFFER,
                "awslogs-group": platform.execution.log_group.ref(),
                "awslogs-region": Region,
                "awslogs-stream-prefix": workload.name,
            },
        ),
    )
    if workload.secrets:
        container.Secrets = [ecs.Secret(Name=name, ValueFrom=arn) for name, arn in sorted(workload.secrets.items())]
    if workload.command:
        container.Command = list(workload.command)
    if workload.load_balancers:
        container.PortMappings = [ecs.PortMapping(ContainerPort=workload.port)]
    elif workload.port is not None:
        # The load balancer asks those behind it.
        container.HealthCheck = ecs.HealthCheck(Command=["CMD", "python", "-c", _probe(workload.port)], StartPeriod=30)
    if workload.writable_folder is not None:
        container.MountPoints = [ecs.MountPoint(SourceVolume="data", ContainerPath=workload.writable_folder)]
    return container


def _probe(port: int) -> str:
    return f"import urllib.request as u;u.urlopen('http://127.0.0.1:{port}/livez',timeout=3)"


def _add_task_role(template: Template, workload: Workload, pipeline: PipelineParameters) -> If:
    return add_role(
        template,
        f"{workload.title}Role",
        parameters=pipeline,
        condition=pipeline.own_roles_on,
        service=TASKS_PRINCIPAL,
        statements=[*workload.statements],
    )


def _strategy(workload: Workload, parameters: PlatformParameters) -> list[ecs.CapacityProviderStrategyItem]:
    if not workload.on_spot:
        return [ecs.CapacityProviderStrategyItem(CapacityProvider="FARGATE", Weight=1)]
    return [
        # The first task is never taken away by a Spot interruption.
        ecs.CapacityProviderStrategyItem(CapacityProvider="FARGATE", Base=1, Weight=1),
        ecs.CapacityProviderStrategyItem(CapacityProvider="FARGATE_SPOT", Weight=parameters.spot_weight.ref()),
    ]
