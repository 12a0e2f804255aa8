"""What runs for an order, and the certificates of its sidecar."""

from provisions.models.certificates import SidecarAuthority, SidecarCertificate, SidecarEnrolment
from provisions.models.provision import Provision, ProvisionKind

__all__ = ["Provision", "ProvisionKind", "SidecarAuthority", "SidecarCertificate", "SidecarEnrolment"]
