"""The JSON names that the platform knows: one row a message, as data.

A name that is not here is refused, as the real API does ("Unknown name"). Protocol buffers read
both `maxOutputTokens` and `max_output_tokens`; the table has the first form.

Types: `s` string, `b` boolean, `i` integer (or its digits), `f` number, `bytes` Base64, `any` a
value, `struct` an object, `map:T` an object of T, `E:Name` a name of an enumeration, any other word
a message; a `*` before it is an array of it.
Source: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentRequest
and its neighbours; the types of google-genai, which a test holds against this table.
"""

from collections.abc import Mapping
from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENUMS: Final[Mapping[str, frozenset[str]]] = {
    "Type": _names("TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL"),
    "Mode": _names("MODE_UNSPECIFIED AUTO ANY NONE VALIDATED"),
    "HarmCategory": _names(
        "HARM_CATEGORY_UNSPECIFIED HARM_CATEGORY_HATE_SPEECH "
        "HARM_CATEGORY_DANGEROUS_CONTENT HARM_CATEGORY_HARASSMENT "
        "HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_CIVIC_INTEGRITY "
        "HARM_CATEGORY_IMAGE_HATE HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT "
        "HARM_CATEGORY_IMAGE_HARASSMENT HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT "
        "HARM_CATEGORY_JAILBREAK"
    ),
    "HarmBlockThreshold": _names(
        "HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE "
        "BLOCK_ONLY_HIGH BLOCK_NONE OFF"
    ),
    "HarmBlockMethod": frozenset(["HARM_BLOCK_METHOD_UNSPECIFIED", "SEVERITY", "PROBABILITY"]),
    "Modality": _names("MODALITY_UNSPECIFIED TEXT IMAGE AUDIO VIDEO"),
    "ThinkingLevel": _names("THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH XHIGH"),
    "MediaResolution": _names(
        "MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM "
        "MEDIA_RESOLUTION_HIGH MEDIA_RESOLUTION_ULTRA_HIGH"
    ),
    "Language": frozenset(["LANGUAGE_UNSPECIFIED", "PYTHON"]),
    "Outcome": _names("OUTCOME_UNSPECIFIED OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED"),
}


def _fields(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


MESSAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "GenerateContentRequest": _fields(
        "model=s contents=*Content systemInstruction=Content cachedContent=s tools=*Tool "
        "toolConfig=ToolConfig labels=map:s safetySettings=*SafetySetting "
        "generationConfig=GenerationConfig modelArmorConfig=struct"
    ),
    "Content": _fields("role=s parts=*Part"),
    "Part": _fields(
        "text=s inlineData=Blob fileData=FileData functionCall=FunctionCall "
        "functionResponse=FunctionResponse executableCode=ExecutableCode "
        "codeExecutionResult=CodeExecutionResult thought=b thoughtSignature=bytes "
        "videoMetadata=struct mediaResolution=struct audioTranscription=struct "
        "mediaProcessing=struct speechMetadata=struct documentMetadata=struct "
        "spreadsheetMetadata=struct audioMetadata=struct"
    ),
    "Blob": _fields("mimeType=s data=bytes displayName=s"),
    "FileData": _fields("mimeType=s fileUri=s displayName=s"),
    "FunctionCall": _fields("id=s name=s args=struct partialArgs=*struct willContinue=b"),
    "FunctionResponse": _fields(
        "id=s name=s response=struct parts=*FunctionResponsePart scheduling=s"
    ),
    "FunctionResponsePart": _fields(
        "inlineData=Blob fileData=FileData mediaResolution=struct videoMetadata=struct "
        "documentMetadata=struct spreadsheetMetadata=struct audioMetadata=struct"
    ),
    "ExecutableCode": _fields("id=s language=E:Language code=s"),
    "CodeExecutionResult": _fields("id=s outcome=E:Outcome output=s"),
    "Tool": _fields(
        "functionDeclarations=*FunctionDeclaration retrieval=struct googleSearch=struct "
        "googleSearchRetrieval=struct enterpriseWebSearch=struct googleMaps=struct "
        "codeExecution=struct computerUse=struct urlContext=struct parallelAiSearch=struct "
        "mcpServers=*struct exaAiSearch=struct"
    ),
    "FunctionDeclaration": _fields(
        "name=s description=s parameters=Schema parametersJsonSchema=any response=Schema "
        "responseJsonSchema=any"
    ),
    "Schema": _fields(
        "type=E:Type format=s title=s description=s nullable=b default=any items=Schema "
        "minItems=i maxItems=i enum=*s properties=map:Schema propertyOrdering=*s required=*s "
        "minProperties=i maxProperties=i minimum=f maximum=f minLength=i maxLength=i pattern=s "
        "example=any anyOf=*Schema additionalProperties=any ref=s defs=map:Schema"
    ),
    "ToolConfig": _fields("functionCallingConfig=FunctionCallingConfig retrievalConfig=struct"),
    "FunctionCallingConfig": _fields(
        "mode=E:Mode allowedFunctionNames=*s streamFunctionCallArguments=b"
    ),
    "SafetySetting": _fields(
        "category=E:HarmCategory threshold=E:HarmBlockThreshold method=E:HarmBlockMethod"
    ),
    "GenerationConfig": _fields(
        "temperature=f topP=f topK=f candidateCount=i maxOutputTokens=i stopSequences=*s "
        "responseLogprobs=b logprobs=i presencePenalty=f frequencyPenalty=f seed=i "
        "responseMimeType=s responseSchema=Schema responseJsonSchema=any routingConfig=struct "
        "audioTimestamp=b responseModalities=*E:Modality mediaResolution=E:MediaResolution "
        "speechConfig=struct thinkingConfig=ThinkingConfig modelConfig=struct "
        "enableAffectiveDialog=b imageConfig=struct modelSelectionConfig=struct "
        "responseFormat=*struct translationConfig=struct audioTranscriptionConfig=struct"
    ),
    "ThinkingConfig": _fields("includeThoughts=b thinkingBudget=i thinkingLevel=E:ThinkingLevel"),
    "EmbedContentRequest": _fields(
        "model=s content=Content title=s taskType=s outputDimensionality=i autoTruncate=b "
        "embedContentConfig=EmbedContentConfig"
    ),
    "EmbedContentConfig": _fields(
        "title=s taskType=s outputDimensionality=i autoTruncate=b documentOcr=b "
        "audioTrackExtraction=b"
    ),
    "BatchEmbedContentsRequest": _fields("requests=*EmbedContentRequest"),
    # What stands in a row of a batch of embeddings: the nested configuration is refused there.
    "EmbedRowRequest": _fields(
        "model=s content=Content title=s taskType=s outputDimensionality=i autoTruncate=b"
    ),
    "BatchPredictionJob": _fields(
        "name=s displayName=s model=s inputConfig=InputConfig outputConfig=OutputConfig "
        "instanceConfig=struct modelParameters=any labels=map:s encryptionSpec=struct "
        "serviceAccount=s dedicatedResources=struct manualBatchTuningParameters=struct "
        "generateExplanation=b explanationSpec=struct unmanagedContainerModel=struct "
        "disableContainerLogging=b modelVersionId=s"
    ),
    "InputConfig": _fields(
        "instancesFormat=s gcsSource=GcsSource bigquerySource=struct vertexMultimodalDatasetSource"
        "=struct"
    ),
    "GcsSource": _fields("uris=*s"),
    "OutputConfig": _fields(
        "predictionsFormat=s gcsDestination=GcsDestination bigqueryDestination=struct "
        "vertexMultimodalDatasetDestination=struct"
    ),
    "GcsDestination": _fields("outputUriPrefix=s"),
}
