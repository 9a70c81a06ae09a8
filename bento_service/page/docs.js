// Shows the OpenAPI document of this service.
SwaggerUIBundle({ url: "docs.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
